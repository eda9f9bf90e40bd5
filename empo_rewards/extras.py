"""Optional dependencies: what each extra adds and needs, and the hooks that each framework offers."""

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
        adds: the feature that it enables.
        modules: the modules that must be importable.
    """

    adds: str
    modules: tuple[str, ...]

    def missing(self) -> tuple[str, ...]:
        """The modules that are not installed, found without importing them."""
        return tuple(module for module in self.modules if find_spec(module) is None)


EXTRAS: Mapping[str, Extra] = {
    "nli": Extra("equivalence by bidirectional entailment", ("torch", "transformers")),
    "embedding": Extra("sentence embeddings: equivalence by them, and the strategy `evol`", ("sentence_transformers",)),
    "parquet": Extra("Parquet files, in and out", ("pyarrow",)),
    "hub": Extra("prompts from datasets of the Hugging Face Hub", ("datasets",)),
    "spectral": Extra("the entropy estimators kle, eigv, eccentricity", ("numpy",)),
    "judge": Extra("OpenAI-compatible servers: `generate`, and equivalence by a judge", ("anyio", "httpx")),
    "vllm": Extra("vLLM inside the process: `generate --vllm`, and a judge for scoring offline", ("vllm",)),
    "ray": Extra("scoring on Ray Data, on one machine or a cluster", ("ray", "pyarrow")),
    "server": Extra("the HTTP reward server", ("fastapi", "uvicorn", "prometheus_client")),
    "verl": Extra("the verl trainer", ("verl",)),
    "openrlhf": Extra("the OpenRLHF trainer", ("openrlhf",)),
    "trl": Extra("the TRL trainer", ("trl",)),
}


@dataclass(frozen=True)
class Hook:
    """An extension point of a training framework, for a range of versions.

    Args:
        since: the first release that has it, as a tuple of numbers.
        until: the first release without it; None if there is none.
        name: its name in the framework: an option, class or entry point.
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
"""The hooks of each framework, newest first; tested, or read in the framework's source."""


def hook_of(framework: str, version: str) -> str | None:
    """The name of the hook in a version of a framework; None if that version has none for a group reward."""
    numbers = tuple(int(part) for part in version.split("+", maxsplit=1)[0].split(".")[:3] if part.isdigit())
    for hook in FRAMEWORKS[framework]:
        if hook.since <= numbers and (hook.until is None or numbers < hook.until):
            return hook.name
    return None


def installed_version(distribution: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def require(extra: str, feature: str) -> None:
    """Check that an extra is installed.

    Raises:
        MissingExtraError: a module is missing; the message has the command that installs it.
    """
    missing = EXTRAS[extra].missing()
    if missing:
        raise MissingExtraError(feature, ", ".join(missing), extra)
