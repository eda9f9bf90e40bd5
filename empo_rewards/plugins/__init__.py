"""Plugins: the hook specifications, the registry, and the built-in plugins."""
