"""The thresholds of the collapse monitor, and the bounds of its memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MonitorSettings:
    """When the monitor gives its alarm. The values were chosen on simulated and on recorded runs (docs/monitor.md).

    Args:
        factor: the odds of agreement that give the alarm, as a multiple of the lowest that the run has shown.
        shortest_window: groups of the shortest window. In shorter ones two or three prompts that agree by chance look
            like many.
        longest_window: groups of the longest window; in between each is twice as long as the one before.
        reads: how often a window is read while it is replaced by the next.
        least_prompts: different prompts that are needed to tell anything from a window, or from prompts seen before.
        pseudo_prompts: prompts that agree with none, added to each window (additive smoothing): where all of a few
            prompts agree, the next ones need not.
        least_odds: the lowest odds of agreement that a run is compared with: it may begin without any.
        label_share: where in more than this share of the groups a label outvotes the majority, rewards follow labels,
            and may teach against agreement.
        kept_majority: the share of the best mean majority share that must remain.
        majority_errors: standard errors by which it must have fallen below: the best of many windows was lucky.
        majority_prompts: different prompts that both of these windows need at the least.
        kept_agreement: for prompts seen before, the share of the agreement within their earlier responses that must
            remain between these and the latest.
        grown_agreement: where that agreement has grown by this factor, other answers beside it do not matter.
        least_similarity: the least cosine of the answers' shares, before and now, otherwise.
        least_first_similarity: the same with the first group of a prompt as "before". It is lower, because answers move
            on in a healthy run too. It finds a collapse that is among the earlier answers since.
        history_errors: standard errors by which either must have fallen below. There are fewer comparisons, and none
            with a best one.
        history_step: groups of prompts seen before between two comparisons. The latest `longest_window` of them are
            compared.
    """

    factor: float = 20.0
    shortest_window: int = 32
    longest_window: int = 256
    reads: int = 4
    least_prompts: int = 8
    pseudo_prompts: int = 2
    least_odds: float = 1 / 140
    label_share: float = 0.1
    kept_majority: float = 3 / 4
    majority_errors: float = 5.0
    majority_prompts: int = 128
    kept_agreement: float = 0.85
    grown_agreement: float = 1.1
    least_similarity: float = 0.95
    least_first_similarity: float = 0.5
    history_errors: float = 3.5
    history_step: int = 16

    @property
    def windows(self) -> list[int]:
        """The lengths of the windows, in groups."""
        doublings = (self.longest_window // self.shortest_window).bit_length()
        return [self.shortest_window * 2**k for k in range(doublings)]
