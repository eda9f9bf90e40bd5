"""The tables and figures of EMPO: models, benchmarks, sampling, and the published numbers, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Choices:
    """The fields of a multiple-choice question.

    Args:
        question: the question.
        options: a list of all options, with the letter of the right one in `right`; or the fields of the wrong options,
            with the right one's text in `right`.
        right: the right option.
    """

    question: str
    options: str | tuple[str, ...]
    right: str


@dataclass(frozen=True)
class PromptSet:
    """Prompts to train on or to evaluate by.

    Args:
        name: of the results and of the files that are made from it.
        title: in tables.
        file: the name of its file.
        origin: where the file comes from.
        fields: where a prompt and its label stand in a row, where that is not recognised (`--map`).
        instruction: what is asked beside the prompt, where the file does not have it; the name of an instruction or a
            text.
        choices: the fields of a multiple-choice row; None for other sets.
    """

    name: str
    title: str
    file: str
    origin: str
    fields: tuple[str, ...] = ()
    instruction: str | None = None
    choices: Choices | None = None

    @property
    def preset(self) -> str:
        """By which responses are compared with labels."""
        return "empo-math" if self.choices is None else "empo-choice"


@dataclass(frozen=True)
class Base:
    """A base model, and how it is trained.

    Args:
        name: of results and folders.
        title: in tables.
        hub: its name on the Hugging Face Hub.
        config: of `configs/verl`, which `script` is given.
        prompts: what it is trained on.
        max_tokens: the longest response.
        script: the launch script, of `configs/verl`.
    """

    name: str
    title: str
    hub: str
    config: str
    prompts: PromptSet
    max_tokens: int = 3072
    script: str = "single_node.sh"


@dataclass(frozen=True)
class Model:
    """A model that is evaluated: a base as it is, or trained.

    Args:
        base: what it is trained from.
        method: in tables and in its name; `base`: not trained.
        overrides: of the launch script.
    """

    base: Base
    method: str = "base"
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of results, folders, and at a server."""
        return f"{self.base.name}/{self.method}"

    @property
    def is_trained(self) -> bool:
        """Whether it is trained here."""
        return self.method != "base"


@dataclass(frozen=True)
class Experiment:
    """A table or figure.

    Args:
        title: what it compares.
        models: its rows.
        sets: its benchmarks.
        n: responses to a problem: one greedy one, or several at temperature 1.
        shows: `accuracy`; `pass@k`; `entropy`: semantic entropy against accuracy.
        averaged: the names of the sets that the published average is over; none: no average is shown.
        published: averages in percent, by model.
    """

    title: str
    models: tuple[Model, ...]
    sets: tuple[PromptSet, ...]
    n: int = 1
    shows: str = "accuracy"
    averaged: tuple[str, ...] = ()
    published: Mapping[str, float] = field(default_factory=dict)


THEIRS = "https://github.com/QingyangZhang/EMPO, folder math_data"
LETTER = "Question: {prompt}\nReason step by step and put the letter of the answer in \\boxed{}."

NUMINA = PromptSet("numina_math", "NuminaMath", "NM_20K_1010.parquet", THEIRS)
NATURAL = PromptSet(
    "natural_reasoning",
    "Natural Reasoning",
    "natural_reasoning.parquet",
    "https://huggingface.co/datasets/qingyangzhang/natural_reasoning_simple",
    fields=("prompt=question", "reference=reference_answer"),
    instruction="empo-natural",
)

MATH500 = PromptSet("math500", "MATH500", "math500.jsonl", THEIRS)
MINERVA = PromptSet("minerva", "Minerva", "minerva_math.jsonl", THEIRS)
OLYMPIAD = PromptSet("olympiadbench", "OlympiadBench", "olympiadbench.jsonl", THEIRS)
AMC23 = PromptSet("amc23", "AMC23", "amc23_1010.jsonl", THEIRS)
AIME24 = PromptSet("aime24", "AIME24", "aime24_0726.jsonl", THEIRS)
OMNI = PromptSet(
    "omni",
    "OMNI",
    "omni_math.jsonl",
    "https://huggingface.co/datasets/KbsdJames/Omni-MATH",
    fields=("prompt=problem", "reference=answer"),
    instruction="empo-math",
)
MMLU_PRO = PromptSet(
    "mmlu_pro",
    "MMLU-Pro",
    "mmlu_pro.parquet",
    "https://huggingface.co/datasets/TIGER-Lab/MMLU-Pro, split test",
    instruction=LETTER,
    choices=Choices("question", "options", "answer"),
)
GPQA = PromptSet(
    "gpqa",
    "GPQA",
    "gpqa.csv",
    "https://huggingface.co/datasets/Idavidrein/gpqa",
    instruction=LETTER,
    choices=Choices("Question", tuple(f"Incorrect Answer {n}" for n in (1, 2, 3)), "Correct Answer"),
)

MATH_1_5B = Base("qwen2.5-math-1.5b", "Qwen2.5-Math-1.5B", "Qwen/Qwen2.5-Math-1.5B", "qwen2.5-math-1.5b", NUMINA)
MATH_7B = Base("qwen2.5-math-7b", "Qwen2.5-Math-7B", "Qwen/Qwen2.5-Math-7B", "qwen2.5-math-7b", NUMINA)
OCTO_3B = Base(
    "octothinker-3b", "OctoThinker-3B-Long", "OctoThinker/OctoThinker-3B-Long-Base", "octothinker-3b", NUMINA, 16384
)
QWEN_3B = Base("qwen2.5-3b", "Qwen2.5-3B", "Qwen/Qwen2.5-3B", "qwen2.5-natural", NATURAL, 4096, "natural.sh")
QWEN_7B = Base("qwen2.5-7b", "Qwen2.5-7B", "Qwen/Qwen2.5-7B", "qwen2.5-natural", NATURAL, 4096, "natural.sh")

SCORER = "reward.reward_kwargs.scorer"
LABELS = {
    "single_node.sh": (f"{SCORER}.preset=supervised",),
    "natural.sh": (f"+{SCORER}.strategy=reference",),
}
"""Overrides by launch script for rewards by labels."""


def compared(base: Base) -> tuple[Model, Model, Model]:
    """A base as it is, trained by labels, and by EMPO."""
    return Model(base), Model(base, "labels", LABELS[base.script]), Model(base, "empo")


def natural(method: str, *overrides: str) -> Model:
    """Qwen2.5-3B trained on free-form questions without a judge."""
    return Model(replace(QWEN_3B, script="single_node.sh"), method, (f"{SCORER}.preset=empo-natural", *overrides))


EMPO_1_5B = Model(MATH_1_5B, "empo")

EXPERIMENTS: Mapping[str, Experiment] = {
    "math": Experiment(
        "Mathematics",
        (*compared(MATH_1_5B), *compared(OCTO_3B), *compared(MATH_7B)),
        (MATH500, MINERVA, OLYMPIAD, OMNI, AMC23, AIME24),
        averaged=("math500", "minerva", "olympiadbench", "aime24", "amc23"),
        published={  # README of QingyangZhang/EMPO, commit c5eccd4: pass@1 of greedy responses
            "qwen2.5-math-1.5b/labels": 42.8,
            "qwen2.5-math-1.5b/empo": 42.6,
            "octothinker-3b/labels": 31.0,
            "octothinker-3b/empo": 27.6,
            "qwen2.5-math-7b/labels": 51.7,
            "qwen2.5-math-7b/empo": 51.6,
        },
    ),
    "free-form": Experiment("Free-form questions", (*compared(QWEN_3B), *compared(QWEN_7B)), (MMLU_PRO, GPQA)),
    "pass-at-k": Experiment("pass@k", compared(MATH_7B), (MATH500, AMC23, AIME24), n=256, shows="pass@k"),
    "entropy": Experiment(
        "Semantic entropy against accuracy",
        (Model(MATH_7B), Model(MATH_7B, "empo")),
        (MATH500, MINERVA, OLYMPIAD),
        n=16,
        shows="entropy",
    ),
    "clustering": Experiment(
        "Ablation: how answers in words are clustered",
        (
            Model(QWEN_3B, "empo"),
            *(natural(name, f"+{SCORER}.equivalence={{name:{name}}}") for name in ("nli", "embedding", "exact")),
        ),
        (MMLU_PRO, GPQA),
    ),
    "thresholds": Experiment(
        "Ablation: groups that give no signal",
        (
            EMPO_1_5B,
            *(
                Model(MATH_1_5B, f"entropy-{high}", (f"+{SCORER}.gates.entropy={{high:{high},unit:relative}}",))
                for high in (0.75, 0.5)
            ),
            *(Model(MATH_1_5B, f"share-{least}", (f"+{SCORER}.gates.min_share={least}",)) for least in (0.25, 0.5)),
        ),
        (MATH500, MINERVA, OLYMPIAD, AMC23, AIME24),
    ),
    "group-size": Experiment(
        "Ablation: responses in a group",
        (
            *(Model(MATH_1_5B, f"g{n}", (f"actor_rollout_ref.rollout.n={n}",)) for n in (4, 8)),
            EMPO_1_5B,
            Model(MATH_1_5B, "g32", ("actor_rollout_ref.rollout.n=32",)),
        ),
        (MATH500, MINERVA, OLYMPIAD, AMC23, AIME24),
    ),
}
"""The tables and figures by name. Of the values of the ablations none could be read: they are ours."""

MODELS: Mapping[str, Model] = {model.name: model for made in EXPERIMENTS.values() for model in made.models}
