"""Equivalence by bidirectional entailment, decided by a classifier for natural language inference (NLI).

The method is that of Kuhn et al. (arXiv 2302.09664); the modes "strict" and "lax" are those of Farquhar et al. (Nature
630, 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from empo_rewards.equivalence.encoder import CHARS_A_TOKEN, encodable
from empo_rewards.equivalence.lazy_model import LazyModel, ModelError
from empo_rewards.equivalence.memory import fingerprint, verdict_memory
from empo_rewards.equivalence.rounds import Pair, PairVerdict, asked_pair, relate_in_rounds
from empo_rewards.errors import ConfigError, EquivalenceError
from empo_rewards.extras import require
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Reason, Relation

if TYPE_CHECKING:
    import torch

MEMORY_SIZE = 65_536
"""Maximum number of verdicts in memory."""

Mode = Literal["strict", "lax"]
Dtype = Literal["float32", "float16", "bfloat16"]
RELATIONS = ("entailment", "neutral", "contradiction")


class Inference(NamedTuple):
    """The classifier's probabilities for one premise and hypothesis."""

    entailment: float
    neutral: float
    contradiction: float

    @property
    def label(self) -> str:
        """The relation with the highest probability; of tied ones contradiction before neutral before entailment."""
        return max(reversed(RELATIONS), key=lambda name: getattr(self, name))

    def __str__(self) -> str:
        return f"{self.label} ({', '.join(f'{name} {value:.3f}' for name, value in self._asdict().items())})"


def agree(forth: Inference, back: Inference, mode: Mode) -> bool:
    """Whether two texts mean the same, given the inferences of both directions.

    Strict: each entails the other. Lax: neither contradicts the other, and at least one entails the other.
    """
    labels = (forth.label, back.label)
    if mode == "strict":
        return labels == ("entailment", "entailment")
    return "contradiction" not in labels and "entailment" in labels


def may_agree(forth: Inference, mode: Mode) -> bool:
    """Whether the result of `agree` still depends on the other direction, given the first."""
    return forth.label == "entailment" if mode == "strict" else forth.label != "contradiction"


class NliEquivalence(EquivalenceBackend):
    """Compares answers by bidirectional entailment, in rounds over all groups at once (see `equivalence.rounds`).

    The second direction is evaluated only if the first leaves a pair open. Thread-safe; a forked child has its own
    model and cache. The similarity of two answers is the mean of both directions' probabilities of entailment.

    Args:
        model: a sequence classifier for natural language inference that transformers can load: a local path, or a name
            on a hub.
        mode: "strict": each answer entails the other; "lax": neither contradicts the other and one entails the other.
        in_context: put the prompt before each answer. If the input is too long, the prompt's beginning is cut.
        complete: compare all pairs, not only with each cluster's representative: clusters are then the connected
            components of the whole relation, at a cost quadratic in the number of distinct answers.
        labels: the names of the model's classes in order, if its configuration does not state them.
        max_tokens: maximum tokens of an input (both texts), besides the model's own limit; longer inputs are cut, and
            counted in `truncated_inputs`.
        batch_size: number of inputs evaluated at once; halved if memory runs out.
        dtype: the precision of the model.
        device: the torch device of the model; None: a GPU if there is one.
        cache: an SQLite file that stores verdicts beyond this process; None: in memory only.

    Raises:
        ConfigError: an option has an invalid value, or the cache's folder does not exist.
        MissingExtraError: torch or transformers is not installed.
    """

    gives_similarities = True
    asks_a_model = True

    def __init__(  # noqa: PLR0913, PLR0917 - the options of the backend are its parameters
        self,
        model: str = "microsoft/deberta-large-mnli",
        mode: Mode = "strict",
        in_context: bool = False,
        complete: bool = False,
        labels: tuple[str, ...] | None = None,
        max_tokens: int = 256,
        batch_size: int = 64,
        dtype: Dtype = "float32",
        device: str | None = None,
        cache: str | None = None,
    ) -> None:
        require("nli", "the equivalence backend 'nli'")
        for name, value, least in (("max_tokens", max_tokens, 8), ("batch_size", batch_size, 1)):
            if value < least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}")
        self._mode: Mode = mode
        self._in_context, self._complete = in_context, complete
        self._classifier = Classifier(model, labels, max_tokens, batch_size, dtype, device, keep_end=in_context)
        namespace = ("nli", fingerprint(model), model, repr(labels), mode, str(max_tokens), dtype)
        # Verdicts from one direction have no similarity, so the two kinds are stored separately.
        self._memories = {both: verdict_memory((*namespace, str(both)), MEMORY_SIZE, cache) for both in (False, True)}

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """One relation per set, or an exception for a set that could not be compared."""
        both = any(answers.similarities for answers in sets)
        return relate_in_rounds(
            sets,
            partial(self._compare, both=both),
            memory=self._memories[both],
            complete=self._complete,
            in_context=self._in_context,
        )

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """What the model says of the pair in both directions, with its probabilities; it is evaluated anew."""
        pair = asked_pair(answers, i, j, in_context=self._in_context)
        if isinstance(pair, Reason):
            return pair
        left, right = self._inputs(pair)
        (forth, _), (back, _) = self._classifier.infer([(left, right), (right, left)])
        for inference in (forth, back):
            if isinstance(inference, Exception):
                raise inference
        assert isinstance(forth, Inference) and isinstance(back, Inference)  # noqa: S101, PT018 - not exceptions
        facts = {
            "one": pair.left,
            "other": pair.right,
            "does one entail the other?": str(forth),
            "does the other entail one?": str(back),
            "mode": self._mode,
        }
        return Reason("entailment in both directions", facts, agree(forth, back, self._mode))

    @staticmethod
    def _inputs(pair: Pair) -> tuple[str, str]:
        """The two texts as the model sees them."""
        return f"{pair.prompt} {pair.left}".strip(), f"{pair.prompt} {pair.right}".strip()

    def _compare(self, pairs: Sequence[Pair], *, both: bool) -> list[PairVerdict | Exception]:
        """One verdict per pair; the second direction is evaluated only if the first leaves it open, or with `both`."""
        inputs = [self._inputs(pair) for pair in pairs]
        try:
            forth = self._classifier.infer(inputs)
            left_open = [
                k
                for k, (inference, _) in enumerate(forth)
                if isinstance(inference, Inference) and (both or may_agree(inference, self._mode))
            ]
            asked = self._classifier.infer([(inputs[k][1], inputs[k][0]) for k in left_open])
        except ModelError as error:
            return [error] * len(pairs)
        back = dict(zip(left_open, asked, strict=True))
        return [self._verdict(one, back.get(k)) for k, one in enumerate(forth)]

    def _verdict(self, forth: _Answer, back: _Answer | None) -> PairVerdict | Exception:
        there, cut = forth
        if isinstance(there, Exception):
            return there
        if back is None:
            return PairVerdict(False, None, int(cut), {"model_evaluations": 1.0})
        here, other_cut = back
        if isinstance(here, Exception):
            return here
        similarity = (there.entailment + here.entailment) / 2
        return PairVerdict(agree(there, here, self._mode), similarity, cut + other_cut, {"model_evaluations": 2.0})


_Answer = tuple["Inference | Exception", bool]
"""The classifier's output for an input, or the exception that prevented it; and whether the input was cut."""


class Classifier:
    """A sequence classifier for natural language inference, loaded at first use."""

    def __init__(
        self,
        name: str,
        labels: tuple[str, ...] | None,
        max_tokens: int,
        batch_size: int,
        dtype: Dtype,
        device: str | None,
        *,
        keep_end: bool,
    ) -> None:
        self._max_tokens, self._batch_size, self._keep_end = max_tokens, batch_size, keep_end
        self._model = LazyModel(name, partial(_load_model, name, labels, dtype, device, keep_end))

    def infer(self, inputs: Sequence[tuple[str, str]]) -> list[_Answer]:
        """For each (premise, hypothesis) the inference or an exception, and whether the input was cut.

        Raises:
            ModelError: the model cannot be loaded.
        """
        with self._model.use() as loaded:
            features, cut = self._tokenise(loaded, inputs)
            found: dict[int, Inference | Exception] = {}
            order = sorted(range(len(inputs)), key=lambda k: (len(features[k]["input_ids"]), inputs[k]))
            waiting = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
            waiting.reverse()
            while waiting:
                batch = waiting.pop()
                answers = loaded.evaluate([features[k] for k in batch])
                if answers is None and len(batch) > 1:
                    half = len(batch) // 2
                    waiting += [batch[half:], batch[:half]]
                    continue
                if answers is None:
                    answers = [EquivalenceError(f"{self._model.name} runs out of memory on a single input")]
                found.update(zip(batch, answers, strict=True))
            return [(found[k], cut[k]) for k in range(len(inputs))]

    def _tokenise(self, loaded: _Loaded, inputs: Sequence[tuple[str, str]]) -> tuple[list[dict[str, Any]], list[bool]]:
        """Features of each input, cut to the token limit, and whether each was cut."""
        limit = min(self._max_tokens, loaded.limit)
        texts = [tuple(self._bounded(text, limit) for text in pair) for pair in inputs]
        features = loaded.features(texts)
        cut = [len(feature["input_ids"]) > limit or texts[k] != inputs[k] for k, feature in enumerate(features)]
        long = [k for k, feature in enumerate(features) if len(feature["input_ids"]) > limit]
        for k, feature in zip(long, loaded.features([texts[k] for k in long], limit), strict=True):
            features[k] = feature
        return features, cut

    def _bounded(self, text: str, limit: int) -> str:
        most = limit * CHARS_A_TOKEN
        return text[-most:] if self._keep_end else text[:most]


class _Loaded(NamedTuple):
    """A loaded model."""

    model: Any
    tokenizer: Any
    classes: tuple[int | None, ...]
    """The model's class index of each of `RELATIONS`; None if it does not distinguish it from neutral."""
    limit: int

    def features(self, texts: Sequence[Sequence[str]], limit: int | None = None) -> list[dict[str, Any]]:
        """The tokens of each pair of texts; with a `limit`, cut to it from the longer text."""
        if not texts:
            return []
        premises, hypotheses = ([encodable(pair[side]) for pair in texts] for side in (0, 1))
        cutting: dict[str, Any] = {"truncation": False} if limit is None else {"truncation": True, "max_length": limit}
        batch = self.tokenizer(premises, hypotheses, verbose=False, **cutting)
        return [{name: values[k] for name, values in batch.items()} for k in range(len(texts))]

    def evaluate(self, features: Sequence[dict[str, Any]]) -> list[Inference | Exception] | None:
        """The inferences of one batch; None if memory ran out."""
        import torch  # noqa: PLC0415 - an optional extra

        try:
            with torch.inference_mode():
                batch = self.tokenizer.pad(list(features), padding=True, return_tensors="pt").to(self.model.device)
                rows = self.model(**batch).logits.float().softmax(-1).tolist()
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return None
        return [self._inference(row) for row in rows]

    def _inference(self, probabilities: Sequence[float]) -> Inference | Exception:
        if not all(map(math.isfinite, probabilities)):
            return EquivalenceError("the model gave no probabilities; float16 may be too narrow for it: try bfloat16")
        entailment, neutral, contradiction = (0.0 if k is None else probabilities[k] for k in self.classes)
        return Inference(entailment, neutral, contradiction)


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether the error means out of memory: CUDA has an exception class for it, other devices only a message."""
    said = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in said or "can't allocate memory" in said


def _load_model(name: str, labels: tuple[str, ...] | None, dtype: Dtype, device: str | None, keep_end: bool) -> _Loaded:
    import torch  # noqa: PLC0415 - an optional extra
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415 - an optional extra

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    tokenizer = AutoTokenizer.from_pretrained(name)
    tokenizer.truncation_side = "left" if keep_end else "right"
    model = AutoModelForSequenceClassification.from_pretrained(name)
    precision: torch.dtype = getattr(torch, dtype)
    model = model.to(device=where, dtype=precision).eval()
    names = labels or tuple(model.config.id2label[k] for k in sorted(model.config.id2label))
    limits = (tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None))
    return _Loaded(model, tokenizer, classes_of(names, name), min(limit for limit in limits if limit))


def classes_of(labels: Sequence[str], model: str) -> tuple[int | None, ...]:
    """The indices of entailment, neutral and contradiction among a model's labels.

    A model of two classes has entailment and not-entailment, which is read as neutral.

    Raises:
        ModelError: the labels do not identify the relations.
    """
    stems = [label.casefold().replace("-", "_").replace(" ", "_") for label in labels]
    found = [
        next((k for k, stem in enumerate(stems) if stem.startswith(start)), None)
        for start in ("entail", "neutral", "contradict")
    ]
    if len(stems) == 2 and found[0] is not None and stems[1 - found[0]].startswith("not"):
        return (found[0], 1 - found[0], None)
    if None in found or len(stems) != len(RELATIONS):
        raise ModelError(
            f"{model} has the classes {', '.join(labels)}; name them in order, as in "
            f"labels: [contradiction, neutral, entailment]"
        )
    return tuple(found)
