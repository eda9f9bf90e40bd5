"""Estimators of semantic entropy: from cluster sizes, log-likelihoods, and similarities."""
