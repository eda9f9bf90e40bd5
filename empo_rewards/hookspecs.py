"""Deprecated aliases of `empo_rewards.plugins.hookspecs`, until the next release."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "hookimpl": "empo_rewards.plugins.hookspecs:hookimpl",
        "Register": "empo_rewards.plugins.hookspecs:Register",
        "RegisterPreset": "empo_rewards.plugins.hookspecs:RegisterPreset",
        "Observer": "empo_rewards.protocols:Observer",
    },
)
