"""Adapters to training frameworks: thin, and the only place that knows one."""
