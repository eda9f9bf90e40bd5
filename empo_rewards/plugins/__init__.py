"""Plugins: the hook specifications, the registry, and the built-in plugins."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "load": "empo_rewards.plugins.registry:load",
        "Registry": "empo_rewards.plugins.registry:Registry",
        "Registered": "empo_rewards.plugins.registry:Registered",
        "KINDS": "empo_rewards.plugins.registry:KINDS",
    },
)
