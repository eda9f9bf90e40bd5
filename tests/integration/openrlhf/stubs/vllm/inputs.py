"""As vLLM has it: a typed dict."""

TokensPrompt = dict
