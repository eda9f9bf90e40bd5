"""The optional parts: what each extra adds, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from empo_rewards.errors import MissingExtraError


@dataclass(frozen=True)
class Extra:
    """One extra of the distribution.

    Args:
        adds: what a user gains by it.
        modules: the modules that must be importable.
        ready: whether this version has what the extra is for; if not, installing it adds nothing yet.
    """

    adds: str
    modules: tuple[str, ...]
    ready: bool = True

    def missing(self) -> tuple[str, ...]:
        """The modules that are not installed; nothing is imported to find out."""
        return tuple(module for module in self.modules if find_spec(module) is None)


EXTRAS: Mapping[str, Extra] = {
    "nli": Extra("equivalence by bidirectional entailment", ("torch", "transformers")),
    "embedding": Extra("sentence embeddings: equivalence by them, and the strategy `evol`", ("sentence_transformers",)),
    "spectral": Extra("the entropy estimators kle, eigv, eccentricity", ("numpy",)),
    "judge": Extra("equivalence by a judge behind an OpenAI-compatible server", ("httpx",)),
    "vllm": Extra("a judge inside the process, for scoring offline", ("vllm",)),
    "server": Extra("the HTTP reward server", ("fastapi", "uvicorn", "prometheus_client")),
    "verl": Extra("the verl trainer", ("verl",)),
    "openrlhf": Extra("the OpenRLHF trainer", ("openrlhf",)),
    "trl": Extra("the TRL trainer", ("trl",)),
    "ray": Extra("scoring on a ray cluster", ("ray",)),
}


@dataclass(frozen=True)
class Hook:
    """A way into a training framework, from a version on.

    Args:
        since: the first release that has it, as comparable numbers.
        until: the first release that no longer has it.
        name: how a user of the framework knows it.
    """

    since: tuple[int, ...]
    until: tuple[int, ...] | None
    name: str


FRAMEWORKS: Mapping[str, tuple[Hook, ...]] = {
    "verl": (
        Hook((0, 9), None, "entry point `verl.plugins`, or reward.reward_manager.source=importlib"),
        Hook((0, 7, 1), (0, 9), "reward manager `run_single`, through VERL_USE_EXTERNAL_MODULES"),
        Hook((0, 7), (0, 7, 1), "reward loop, or the batch manager with use_reward_loop=False"),
        Hook((0, 4, 1), (0, 7), "batch manager in workers.reward_manager"),
    ),
    "openrlhf": (
        Hook((0, 10, 4), None, "--train.agent_func_path, or --reward.remote_url"),
        Hook((0, 9, 1), (0, 10, 4), "--agent_func_path, or --remote_rm_url (one sample a call)"),
        Hook((0, 7, 5), (0, 9, 1), "--remote_rm_url (whole batches, split over endpoints)"),
    ),
    "trl": (
        Hook((1,), None, "GRPOTrainer(reward_funcs=EMPOReward(...))"),
        Hook((0, 14), (1,), "GRPOTrainer(reward_funcs=EMPOReward(..., group_size=N))"),
    ),
    "slime": (Hook((0,), None, "--custom-rm-path with --group-rm"),),
}
"""Which hook each framework offers, newest first; measured or read in the frameworks' own code."""


def hook_of(framework: str, version: str) -> str | None:
    """The hook that a version of a framework offers; None where it has none that a group reward can use."""
    numbers = tuple(int(part) for part in version.split("+", maxsplit=1)[0].split(".")[:3] if part.isdigit())
    for hook in FRAMEWORKS[framework]:
        if hook.since <= numbers and (hook.until is None or numbers < hook.until):
            return hook.name
    return None


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def require(extra: str, feature: str) -> None:
    """Raise where an extra is not installed.

    Raises:
        MissingExtraError: names what is missing and the command that installs it.
    """
    missing = EXTRAS[extra].missing()
    if missing:
        raise MissingExtraError(feature, ", ".join(missing), extra)
