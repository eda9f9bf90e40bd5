"""The math backend: decisions by keys, calls of the symbolic stage, decorated answers, and copies."""

import multiprocessing
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.equivalence.math.worker import Verdict
from empo_rewards.protocols import AnswerSet, EquivalenceBackend


class FakePool:
    """Answers from a table of equal texts, and keeps what it was asked."""

    def __init__(self, equal=(), verdict=None):
        self.equal = {frozenset(pair) for pair in equal}
        self.verdict = verdict
        self.calls = []
        self.closed = False

    def decide(self, tasks):
        self.calls.append(list(tasks))
        return [[self.answer(task.texts[i], task.texts[j]) for i, j in task.pairs] for task in tasks]

    def answer(self, a, b):
        return self.verdict or Verdict(frozenset((a, b)) in self.equal)

    def close(self):
        self.closed = True


def with_pool(pool, **options):
    backend = MathEquivalence(**options)
    backend._pool = pool
    return backend


def clusters(backend, *texts):
    labels = list(range(len(texts)))
    for i, j in backend.relate([AnswerSet(texts)])[0].equal:
        old, new = labels[j], labels[i]
        labels = [new if label == old else label for label in labels]
    groups = {}
    for text, label in zip(texts, labels, strict=True):
        groups.setdefault(label, set()).add(text)
    return {frozenset(group) for group in groups.values()}


def partition(*groups):
    return {frozenset(group) for group in groups}


KEYS = MathEquivalence(symbolic=False)


def test_it_is_a_backend():
    assert isinstance(KEYS, EquivalenceBackend)


# Decoration


def test_a_bare_answer_joins_the_only_decoration():
    assert clusters(KEYS, "5", "x=5") == partition({"5", "x=5"})
    assert clusters(KEYS, "5", "5\\text{ cm}", "5 cm") == partition({"5", "5\\text{ cm}", "5 cm"})


def test_a_bare_answer_joins_neither_of_two_decorations():
    assert clusters(KEYS, "5", "x=5", "y=5") == partition({"5"}, {"x=5"}, {"y=5"})
    assert clusters(KEYS, "5", "5\\text{ N}", "5\\text{ J}") == partition({"5"}, {"5\\text{ N}"}, {"5\\text{ J}"})


def test_decorations_of_two_kinds_are_resolved_apart():
    assert clusters(KEYS, "5", "x=5", "5\\text{ N}", "5\\text{ J}") == partition(
        {"5", "x=5"}, {"5\\text{ N}"}, {"5\\text{ J}"}
    )


def test_a_bare_list_joins_the_only_tuple():
    assert clusters(KEYS, "3, 4", "(3,4)") == partition({"3, 4", "(3,4)"})
    assert clusters(KEYS, "3, 4", "(3,4)", "(4,3)") == partition({"3, 4"}, {"(3,4)"}, {"(4,3)"})
    assert clusters(KEYS, "3, 4", "(3,4)", "\\{3,4\\}") == partition({"3, 4"}, {"(3,4)"}, {"\\{3,4\\}"})


def test_values_by_name_join_the_tuple_in_their_order():
    assert clusters(KEYS, "p=3,q=4", "(3,4)") == partition({"p=3,q=4", "(3,4)"})
    assert clusters(KEYS, "p=3,q=4", "(4,3)") == partition({"p=3,q=4"}, {"(4,3)"})
    assert clusters(KEYS, "p=3,q=4", "q=4,p=3") == partition({"p=3,q=4", "q=4,p=3"})
    assert clusters(KEYS, "p=3,q=4", "q=4,p=3", "(3,4)", "(4,3)") == partition(
        {"p=3,q=4", "q=4,p=3"}, {"(3,4)"}, {"(4,3)"}
    )


def test_a_choice_joins_its_letter_and_its_value():
    assert clusters(KEYS, "(B) 5", "B", "5") == partition({"(B) 5", "B", "5"})
    assert clusters(KEYS, "(B) 5", "(C) 5", "5", "B") == partition({"(B) 5", "B"}, {"(C) 5"}, {"5"})


def test_an_equation_joins_the_label_that_says_the_same():
    assert clusters(KEYS, "y=2x+3", "2x-y+3=0", "2x+3") == partition({"y=2x+3", "2x-y+3=0", "2x+3"})
    assert clusters(KEYS, "x-5=0", "x=5", "y=5", "5") == partition({"x-5=0", "x=5"}, {"y=5"}, {"5"})


# Policies


@pytest.mark.parametrize(
    ("percent", "merged"),
    [("fraction", {"50\\%", "0.5"}), ("number", {"50\\%", "50"}), ("either", {"50\\%", "0.5"})],
)
def test_percent(percent, merged):
    backend = MathEquivalence(percent=percent, symbolic=False)
    assert frozenset(merged) in clusters(backend, *sorted(merged))


def test_percent_either_joins_the_number_too():
    backend = MathEquivalence(percent="either", symbolic=False)
    assert clusters(backend, "50\\%", "50") == partition({"50\\%", "50"})


@pytest.mark.parametrize(
    ("prompt", "merged"),
    [
        ("What percent of 80 is 40?", {"50\\%", "50"}),
        ("Find the percentage of defective parts.", {"50\\%", "50"}),
        ("By how many percent did it grow?", {"50\\%", "50"}),
        ("How large is the error? Give your answer as a percentage.", {"50\\%", "50"}),
        ("Express the share in per cent.", {"50\\%", "50"}),
        ("What is the price after a discount of 20 percent?", {"50\\%", "0.5"}),
        ("A coin shows heads 50% of the time. What is the probability?", {"50\\%", "0.5"}),
        ("Which score is the 90th percentile?", {"50\\%", "0.5"}),
        ("", {"50\\%", "0.5"}),
    ],
)
def test_percent_by_default_is_what_the_prompt_asks_for(prompt, merged):
    backend = MathEquivalence(symbolic=False)
    texts = ("50\\%", "0.5", "50")
    (relation,) = backend.relate([AnswerSet(texts, prompt)])
    assert [{texts[i], texts[j]} for i, j in relation.equal] == [merged]


def test_one_text_has_its_own_meaning_in_each_prompt():
    backend = MathEquivalence(symbolic=False)
    texts = ("50\\%", "0.5", "50")
    for _ in range(2):  # whatever is cached
        asked, plain = backend.relate([AnswerSet(texts, "What percent is it?"), AnswerSet(texts, "What is it?")])
        assert (asked.equal, plain.equal) == (((0, 2),), ((0, 1),))


def test_units():
    strict, ignoring = MathEquivalence(units="strict", symbolic=False), MathEquivalence(units="ignore", symbolic=False)
    assert clusters(strict, "5", "5 cm") == partition({"5"}, {"5 cm"})
    assert clusters(ignoring, "5", "5 cm", "5 km") == partition({"5", "5 cm", "5 km"})


def test_decimal_tolerance_needs_a_decimal():
    backend = MathEquivalence(decimal_tolerance=1e-3, symbolic=False)
    assert clusters(backend, "2/13", "0.15385") == partition({"2/13", "0.15385"})
    assert clusters(backend, "40\\pi", "125.663") == partition({"40\\pi", "125.663"})
    assert clusters(backend, "(1/3, 2)", "(0.3333, 2)") == partition({"(1/3, 2)", "(0.3333, 2)"})
    assert clusters(backend, "10000", "10001") == partition({"10000"}, {"10001"})
    assert clusters(backend, "0.5", "0.6") == partition({"0.5"}, {"0.6"})


def test_ordered_is_set():
    backend = MathEquivalence(ordered_is_set=True, symbolic=False)
    assert clusters(backend, "(1,2)", "\\{2,1\\}") == partition({"(1,2)", "\\{2,1\\}"})
    assert clusters(backend, "(1,2)", "[1,2]") == partition({"(1,2)"}, {"[1,2]"})


def test_a_wrong_policy_is_an_error():
    with pytest.raises(ValueError, match="decimal_tolerance"):
        MathEquivalence(decimal_tolerance=-1.0)
    with pytest.raises(ValueError, match="percent"):
        MathEquivalence(percent="half")  # type: ignore[arg-type]


# The symbolic stage


def test_only_what_keys_cannot_decide_is_asked_and_once_for_all_sets():
    pool = FakePool(equal=[("2\\sin x\\cos x", "\\sin 2x")])
    backend = with_pool(pool)
    hard = AnswerSet(("2\\sin x\\cos x", "\\sin 2x", "7", "x=7", "5"))
    easy = AnswerSet(("1", "2"))
    relations = backend.relate([hard, easy, hard])
    assert len(pool.calls) == 1
    assert [len(task.pairs) for task in pool.calls[0]] == [1, 1]
    assert set(relations[0].equal) == {(0, 1), (2, 3)}
    assert relations[0].metrics["pairs_symbolic"] == 1
    assert relations[1].equal == ()


def test_a_verdict_is_remembered():
    pool = FakePool()
    backend = with_pool(pool)
    for _ in range(3):
        backend.relate([AnswerSet(("2\\sin x\\cos x", "\\sin 2x"))])
    assert len(pool.calls) == 1


def test_undecided_and_killed_pairs_are_reported_and_not_equal():
    backend = with_pool(FakePool(verdict=Verdict(None, killed=True)))
    relation = backend.relate([AnswerSet(("5", "\\sin 2x", "2\\sin x\\cos x"))])[0]
    assert relation.equal == ()
    assert relation.undecided == ((1, 2),)
    assert (relation.metrics["kills"], relation.metrics["pairs_undecided"]) == (1, 1)


def test_the_question_is_the_same_in_either_order():
    questions = []
    for texts in (("2\\sin x\\cos x", "\\sin 2x"), ("\\sin 2x", "2\\sin x\\cos x")):
        pool = FakePool()
        with_pool(pool).relate([AnswerSet(texts)])
        questions.append(pool.calls)
    assert questions[0] == questions[1]


def test_labels_that_contradict_are_not_asked_about():
    pool = FakePool(verdict=Verdict(True))
    backend = with_pool(pool)
    assert backend.relate([AnswerSet(("u=2\\sin x\\cos x", "v=\\sin 2x"))])[0].equal == ()
    assert pool.calls == []


def test_without_the_symbolic_stage_the_rest_is_undecided():
    relation = KEYS.relate([AnswerSet(("2\\sin x\\cos x", "\\sin 2x"))])[0]
    assert (relation.equal, relation.undecided) == ((), ((0, 1),))


def test_close_closes_the_pool():
    pool = FakePool()
    with_pool(pool).close()
    assert pool.closed


# Copies, threads, processes


SETS = [AnswerSet(("1/2", "0.5", f"{k}", f"x={k}", "(1,2)", "\\{1,2\\}")) for k in range(3, 60)]


def test_a_pickled_copy_has_the_same_options_and_results():
    backend = MathEquivalence(percent="number", units="strict", decimal_tolerance=1e-3, symbolic=False, deadline=2.0)
    backend.relate(SETS)
    copy = pickle.loads(pickle.dumps(backend))
    assert copy.policy == backend.policy
    assert list(copy.relate(SETS)) == list(backend.relate(SETS))


def test_threads_get_the_same_results():
    expected = list(MathEquivalence(symbolic=False).relate(SETS))
    shared = MathEquivalence(symbolic=False)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: list(shared.relate(SETS)), range(16)))
    assert all(result == expected for result in results)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_get_the_same_results(method):
    backend = MathEquivalence(symbolic=False)
    expected = list(backend.relate(SETS))
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert list(pool.apply(backend.relate, (SETS,))) == expected


def test_keys_import_neither_sympy_nor_math_verify():
    code = """
        import sys
        from empo_rewards.protocols import AnswerSet
        from empo_rewards.equivalence.math import MathEquivalence
        backend = MathEquivalence()
        assert backend.relate([AnswerSet(("1/2", "0.5", "\\\\sqrt2"))])[0].equal == ((0, 1),)
        heavy = {"sympy", "math_verify", "latex2sympy2_extended", "mpmath"} & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
