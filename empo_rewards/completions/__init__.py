"""OpenAI-compatible servers (vLLM, SGLang, llama.cpp, Ollama, hosted ones): requests with retries and failover."""
