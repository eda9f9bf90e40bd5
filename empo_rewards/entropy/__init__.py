"""Semantic entropy: from cluster sizes, similarities and log-likelihoods."""
