"""Answers that nobody read."""

from __future__ import annotations

from empo_rewards.server.undelivered import Undelivered


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_answer_is_given_out_once_the_oldest_first() -> None:
    kept: Undelivered[str] = Undelivered(10, 100)
    for key, value in (("a", "1"), ("b", "2"), ("a", "3")):
        kept.keep(key, value)
    assert [kept.take("a"), kept.take("a"), kept.take("a"), kept.take("c")] == ["1", "3", None, None]
    kept.keep("a", "4")
    assert [kept.take("b"), kept.take("a")] == ["2", "4"]


def test_it_is_kept_for_a_while_and_up_to_a_limit() -> None:
    clock = Clock()
    kept: Undelivered[int] = Undelivered(10, 2, clock)
    kept.keep("a", 1)
    clock.now = 9
    kept.keep("a", 2)
    clock.now = 10
    assert [kept.take("a"), kept.take("a")] == [2, None]
    for number in range(3):
        kept.keep(number, number)
    assert [kept.take(number) for number in range(3)] == [None, 1, 2]
