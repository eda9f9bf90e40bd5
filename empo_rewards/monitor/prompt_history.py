"""Prompts seen before: whether they are still answered as they were."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from empo_rewards.monitor.estimates import mean_and_error, pair_chance
from empo_rewards.monitor.observation import Observation
from empo_rewards.monitor.settings import MonitorSettings

MAX_COMPARED = 256
"""Prompts whose earlier answers are kept after they came again."""

MAX_SEEN_ONCE = 4096
"""Prompts that came once and are remembered: the latest."""

KEPT_FORMS = 128
"""Normal forms that are remembered of the answers to a prompt, about."""


class AgreementChances(NamedTuple):
    """The chance that two responses to a prompt give the same answer, for each choice of the two.

    Args:
        before: both from before.
        across: one from before and one of now.
        now: both of now.
    """

    before: float
    across: float
    now: float


class PromptAnswers:
    """All answers to a prompt so far, each response counting the same.

    Args:
        seen: the first group of the prompt.
    """

    def __init__(self, seen: Observation) -> None:
        self.size = 0
        """All responses, those without an answer too."""
        self.counts: Counter[str] = Counter()
        """How many responses gave each answer; of very many, the commonest."""
        self.answers: dict[str, str] = {}
        """The answer of each normal form: all forms of one meaning cluster are one answer."""
        self.add(seen)
        self._first, self._first_size = self.counts.copy(), self.size

    def add(self, seen: Observation) -> None:
        """Add a group."""
        self.size += seen.size
        for answer, forms in seen.spellings.items():
            name = max(self._known(forms), key=lambda known: (self.counts[known], known), default=answer)
            self.counts[name] += seen.answers[answer]
            for form in forms:
                self.answers.setdefault(form, name)
        if len(self.answers) > KEPT_FORMS:
            self.counts = Counter(dict(self.counts.most_common(KEPT_FORMS // 2)))
            self.answers = {form: answer for form, answer in self.answers.items() if answer in self.counts}

    def compared(self, seen: Observation) -> AgreementChances:
        """The chances of agreement with all groups so far; unbiased for any numbers of responses from 2 on."""
        return self._chances(seen, self.counts, self.size)

    def compared_with_first(self, seen: Observation) -> AgreementChances:
        """The chances of agreement with the first group alone, by what spellings have meant since."""
        return self._chances(seen, self._first, self._first_size)

    def _chances(self, seen: Observation, counts: Counter[str], size: int) -> AgreementChances:
        same = 0
        for answer, forms in seen.spellings.items():
            same += sum(counts[known] for known in self._known(forms)) * seen.answers[answer]
        return AgreementChances(pair_chance(counts.values(), size), same / (size * seen.size), seen.consistency)

    def _known(self, forms: Iterable[str]) -> set[str]:
        """The remembered answers that have one of these forms."""
        return {self.answers[form] for form in forms if form in self.answers}


class PromptHistory:
    """Compares each group with all earlier groups of its prompt, and with the first alone.

    Training by agreement makes a model say more often what it said most often. So a response of now agrees with one
    from before, on average over prompts, more often than two from before agree with each other; and what the model
    agrees on now is what it agreed on before. Among all earlier groups are those that have collapsed since, where that
    went unnoticed, and they agree with the latest.

    Args:
        settings: the thresholds.
    """

    def __init__(self, settings: MonitorSettings) -> None:
        self._settings = settings
        self._once: OrderedDict[Hashable, PromptAnswers] = OrderedDict()
        self._compared: dict[Hashable, PromptAnswers] = {}
        self._latest: deque[tuple[Hashable, tuple[AgreementChances, AgreementChances]]] = deque(
            maxlen=settings.longest_window
        )
        self._until_comparison = settings.history_step

    def add(self, seen: Observation) -> str | None:
        """Take in a group of two responses or more; a sentence about how answers have changed, if they have."""
        if (first := self._once.pop(seen.prompt, None)) is not None and len(self._compared) < MAX_COMPARED:
            self._compared[seen.prompt] = first
        before = self._compared.get(seen.prompt)
        if before is None:
            self._once[seen.prompt] = first or PromptAnswers(seen)
            if len(self._once) > MAX_SEEN_ONCE:
                self._once.popitem(last=False)
            return None
        self._latest.append((seen.prompt, (before.compared_with_first(seen), before.compared(seen))))
        before.add(seen)
        self._until_comparison -= 1
        if self._until_comparison:
            return None
        self._until_comparison = self._settings.history_step
        latest = dict(self._latest).values()
        if len(latest) < self._settings.least_prompts:
            return None
        since_first, since_all = zip(*latest, strict=True)
        settings = self._settings
        return changed(since_all, settings) or other_answers(since_first, settings.least_first_similarity, settings)


def changed(prompts: Sequence[AgreementChances], settings: MonitorSettings) -> str | None:
    """A sentence about how two or more prompts are answered differently than before, by more than chance; or None."""
    before, across, _ = means(prompts)
    if across < settings.kept_agreement * before and _is_above_chance(
        [seen.before - seen.across for seen in prompts], settings.history_errors
    ):
        return (
            f"a response agrees with an earlier one to its prompt with a chance of {across:.3f}; two earlier ones "
            f"agreed with {before:.3f} ({len(prompts)} prompts seen before). The model leaves what it agreed on."
        )
    return other_answers(prompts, settings.least_similarity, settings)


def other_answers(prompts: Sequence[AgreementChances], least: float, settings: MonitorSettings) -> str | None:
    """A sentence, where answers before and now have a similarity below `least`, by more than chance; or None.

    The similarity of two mixtures of answers is the cosine of their vectors of shares: the chance across, divided by
    the geometric mean of the chances within. A model that is only more certain of the same answers has a high one.
    """
    before, across, now = means(prompts)
    if across >= settings.grown_agreement * before or now == 0:
        return None
    scale = math.sqrt(now / before)  # brings both to one size: their mean over prompts is the geometric one
    missing = [least * (seen.before * scale + seen.now / scale) / 2 - seen.across for seen in prompts]
    if not _is_above_chance(missing, settings.history_errors):
        return None
    return (
        f"two responses to a prompt agree with a chance of {now:.3f}, two earlier ones with {before:.3f}, one of now "
        f"with an earlier one with {across:.3f} ({len(prompts)} prompts seen before). The model agrees on other "
        "answers than it did."
    )


def means(prompts: Sequence[AgreementChances]) -> AgreementChances:
    """The mean chances over prompts."""
    return AgreementChances(*(math.fsum(chances) / len(prompts) for chances in zip(*prompts, strict=True)))


def _is_above_chance(values: Sequence[float], errors: float) -> bool:
    """Whether the mean is above 0 by more than so many standard errors."""
    mean, error = mean_and_error(values)
    return mean > errors * error
