"""The built-in plugins, registered through the same hooks as third-party plugins."""

from __future__ import annotations

from importlib import resources

from empo_rewards.entropy import counts, likelihoods, similarities
from empo_rewards.equivalence.auto import AutoEquivalence
from empo_rewards.equivalence.embedding import EmbeddingEquivalence
from empo_rewards.equivalence.exact import ExactEquivalence
from empo_rewards.equivalence.judge import InProcessJudgeEquivalence, JudgeEquivalence
from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.equivalence.nli import NliEquivalence
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.choice import Choice
from empo_rewards.extraction.containers import AnswerKey, AnswerTag, Hashes, Pattern
from empo_rewards.extraction.phrases import AnswerLine, FinalAnswer
from empo_rewards.extraction.whole import LastMath, LastNumber, WholeText
from empo_rewards.filters import guards
from empo_rewards.monitor import Monitor
from empo_rewards.plugins.hookspecs import Register, RegisterPreset, hookimpl
from empo_rewards.reading.forms import BUILT_IN
from empo_rewards.records import Recorder
from empo_rewards.strategies import (
    consensus,
    controls,
    entropy_scaled,
    evol,
    group_judge,
    likelihood,
    mix,
    restrain,
    scrl,
    sides,
    synthesis,
)


@hookimpl
def register_extractors(register: Register) -> None:
    """Extractors: by markers, by multiple choice, and of the whole text or its last formula or number."""
    register("boxed", LastBox)
    register("answer_tag", AnswerTag)
    register("answer_key", AnswerKey)
    register("hashes", Hashes)
    register("pattern", Pattern)
    register("final_answer", FinalAnswer)
    register("answer_line", AnswerLine)
    register("choice", Choice)
    register("whole_text", WholeText)
    register("last_math", LastMath)
    register("last_number", LastNumber)


@hookimpl
def register_equivalence_backends(register: Register) -> None:
    """Backends: by text, mathematics, sentence embeddings, entailment, or a judge."""
    register("exact", ExactEquivalence)
    register("math", MathEquivalence)
    register("embedding", EmbeddingEquivalence)
    register("nli", NliEquivalence)
    register("auto", AutoEquivalence)
    register("judge", JudgeEquivalence)
    register("judge_in_process", InProcessJudgeEquivalence)


@hookimpl
def register_entropy_estimators(register: Register) -> None:
    """Estimators: from cluster sizes, from log-likelihoods, and from similarities."""
    register("plug_in", counts.PlugIn)
    register("miller_madow", counts.MillerMadow)
    register("zhang", counts.Zhang)
    register("chao_shen", counts.ChaoShen)
    register("rao_blackwell", likelihoods.RaoBlackwell)
    register("rao", likelihoods.Rao)
    register("kle", similarities.KernelLanguageEntropy)
    register("eigv", similarities.EigV)
    register("degree", similarities.Degree)
    register("eccentricity", similarities.Eccentricity)
    register("snne", similarities.Snne)
    register("semantic_density", similarities.SemanticDensity)


@hookimpl
def register_strategies(register: Register) -> None:
    """Reward strategies, and the controls `random`, `format`, `reference` and `best`."""
    register("empo", consensus.Empo)
    register("majority", consensus.Majority)
    register("majority_threshold", consensus.MajorityThreshold)
    register("scrl", scrl.Scrl)
    register("entropy_scaled", entropy_scaled.EntropyScaled)
    register("evol", evol.Evol)
    register("random", controls.Random)
    register("format", controls.Format)
    register("reference", controls.Reference)
    register("best", controls.Best)
    register("likelihood", likelihood.Likelihood)
    register("mix", mix.Mix)
    register("co_rewarding", sides.CoRewarding)
    register("self_harmony", sides.SelfHarmony)
    register("restrain", restrain.Restrain)
    register("group_judge", group_judge.GroupJudge)
    register("synthesis", synthesis.Synthesis)


@hookimpl
def register_guards(register: Register) -> None:
    """Guards: EMPO's for free-form answers, and one against repetition."""
    register("blank", guards.Blank)
    register("refusal", guards.Refusal)
    register("copied", guards.Copied)
    register("repetition", guards.Repetition)


@hookimpl
def register_observers(register: Register) -> None:
    """Observers: the collapse monitor, and the recorder of a run's groups."""
    register("monitor", Monitor)
    register("record", Recorder)


@hookimpl
def register_readers(register: Register) -> None:
    """Readers of rollouts: the forms that generators, trainers and evaluations write."""
    for name, reader in BUILT_IN.items():
        register(name, type(reader))


@hookimpl
def register_presets(register: RegisterPreset) -> None:
    """Presets: each YAML file of the configs folder, under its file name."""
    for entry in resources.files("empo_rewards.configs").iterdir():
        if entry.name.endswith(".yaml"):
            register(entry.name.removesuffix(".yaml"), str(entry))
