"""Presets, as YAML files; `empo-rewards plugins` lists them."""
