"""Stub of vLLM's module of the same name: a typed dict."""

TokensPrompt = dict
