"""Selection of the next server, with a simulated clock."""

from __future__ import annotations

from empo_rewards.completions.endpoints import LONGEST_PAUSE, Endpoints


def test_questions_spread_over_the_servers() -> None:
    endpoints = Endpoints(["a", "b"])
    with endpoints.pick(0).busy() as _:
        first = endpoints.pick(0)
        with first.busy():
            assert [first.url, endpoints.pick(0).url] == ["b", "a"]
    assert endpoints.pick(0).url == "a"


def test_a_server_that_fails_rests_ever_longer_until_it_answers() -> None:
    endpoints = Endpoints(["a"])
    (endpoint,) = [endpoints.pick(0)]
    rests, now = [], 100.0
    for _ in range(7):
        endpoint.failed(now, "x", silent=True)
        rests.append(endpoint.paused_until - now)
        now = endpoint.paused_until
    assert rests == [0.5, 1, 2, 4, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    endpoint.answered()
    endpoint.failed(now, "x", silent=True)
    assert endpoint.paused_until - now == 0.5


def test_what_fails_together_is_one_failure() -> None:
    endpoints = Endpoints(["a", "b"])
    endpoint = endpoints.pick(0)
    for _ in range(64):
        endpoint.failed(0, "x", silent=True)
    assert (endpoint.failures, endpoint.paused_until) == (1, 0.5)
    assert endpoints.pick(0.4).url == "b"
    assert endpoints.pick(0.6).url == "a"


def test_a_server_that_has_failed_is_tried_with_one_question() -> None:
    endpoints = Endpoints(["a", "b"])
    endpoints.pick(0).failed(0, "x", silent=True)
    with endpoints.pick(0).busy(), endpoints.pick(0).busy():  # b has two
        probed = endpoints.pick(1)
        with probed.busy():
            assert [probed.url, endpoints.pick(1).url] == ["a", "b"]
            probed.answered()
            assert endpoints.pick(1).url == "a"


def test_a_server_may_ask_for_a_longer_rest() -> None:
    endpoint = Endpoints(["a"]).pick(0)
    endpoint.failed(0, "x", silent=False, at_least=30)
    assert endpoint.paused_until == 30


def test_down_is_when_all_are_silent() -> None:
    endpoints = Endpoints(["a", "b"])
    now = 0.0
    for _ in range(8):
        now = (endpoint := endpoints.pick(now)).paused_until + 0.01
        assert not endpoints.down(now, 4)
        endpoint.failed(now, "x", silent=True)
    assert endpoints.down(now, 4)
    assert not endpoints.down(now, 5)
    assert not endpoints.down(now + LONGEST_PAUSE, 4)


def test_a_server_that_answers_with_errors_is_not_down() -> None:
    endpoints = Endpoints(["a"])
    now = 0.0
    for _ in range(9):
        endpoint = endpoints.pick(now)
        now = endpoint.paused_until
        endpoint.failed(now, "500", silent=False)
    assert not endpoints.down(now, 4)
