"""Response -> answer."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "Extracted": "empo_rewards.protocols:Extracted",
        "Extractor": "empo_rewards.protocols:Extractor",
        "ExtractorWithAudit": "empo_rewards.protocols:Extractor",
    },
)
