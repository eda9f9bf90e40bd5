"""The backend: how decoration is resolved, what is counted, and what a copy shares."""

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import flint
import pytest

from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.equivalence.math import backend as backend_module
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.protocols import AnswerSet, EquivalenceBackend


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


KEYS = MathEquivalence()


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


def test_values_by_name_join_the_tuple_in_the_order_of_the_names():
    assert clusters(KEYS, "p=3,q=4", "(3,4)") == partition({"p=3,q=4", "(3,4)"})
    assert clusters(KEYS, "p=3,q=4", "(4,3)") == partition({"p=3,q=4"}, {"(4,3)"})
    assert clusters(KEYS, "p=3,q=4", "q=4,p=3") == partition({"p=3,q=4", "q=4,p=3"})
    assert clusters(KEYS, "p=3,q=4", "q=4,p=3", "(3,4)", "(4,3)") == partition(
        {"p=3,q=4", "q=4,p=3", "(3,4)"}, {"(4,3)"}
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
    backend = MathEquivalence(percent=percent)
    assert frozenset(merged) in clusters(backend, *sorted(merged))


def test_percent_either_joins_the_number_too():
    backend = MathEquivalence(percent="either")
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
    backend = MathEquivalence()
    texts = ("50\\%", "0.5", "50")
    (relation,) = backend.relate([AnswerSet(texts, prompt)])
    assert [{texts[i], texts[j]} for i, j in relation.equal] == [merged]


def test_one_text_has_its_own_meaning_in_each_prompt():
    backend = MathEquivalence()
    texts = ("50\\%", "0.5", "50")
    for _ in range(2):  # whatever is cached
        asked, plain = backend.relate([AnswerSet(texts, "What percent is it?"), AnswerSet(texts, "What is it?")])
        assert (asked.equal, plain.equal) == (((0, 2),), ((0, 1),))


def test_units():
    strict, ignoring = MathEquivalence(units="strict"), MathEquivalence(units="ignore")
    assert clusters(strict, "5", "5 cm") == partition({"5"}, {"5 cm"})
    assert clusters(ignoring, "5", "5 cm", "5 km") == partition({"5", "5 cm", "5 km"})


def test_decimal_tolerance_needs_a_decimal():
    backend = MathEquivalence(decimal_tolerance=1e-3)
    assert clusters(backend, "2/13", "0.15385") == partition({"2/13", "0.15385"})
    assert clusters(backend, "40\\pi", "125.663") == partition({"40\\pi", "125.663"})
    assert clusters(backend, "(1/3, 2)", "(0.3333, 2)") == partition({"(1/3, 2)", "(0.3333, 2)"})
    assert clusters(backend, "10000", "10001") == partition({"10000"}, {"10001"})
    assert clusters(backend, "0.5", "0.6") == partition({"0.5"}, {"0.6"})


def test_ordered_is_set():
    backend = MathEquivalence(ordered_is_set=True)
    assert clusters(backend, "(1,2)", "\\{2,1\\}") == partition({"(1,2)", "\\{2,1\\}"})
    assert clusters(backend, "(1,2)", "[1,2]") == partition({"(1,2)"}, {"[1,2]"})


def test_a_wrong_policy_is_an_error():
    with pytest.raises(ValueError, match="decimal_tolerance"):
        MathEquivalence(decimal_tolerance=-1.0)
    with pytest.raises(ValueError, match="percent"):
        MathEquivalence(percent="half")  # type: ignore[arg-type]


# What forms do not tell apart


def test_what_enclosures_decide_is_counted():
    (relation,) = KEYS.relate([AnswerSet(("2\\sin x\\cos x", "\\sin 2x", "\\cos x", "7", "x=7", "5"))])
    assert set(relation.equal) == {(0, 1), (3, 4)}
    assert relation.undecided == ()
    assert relation.metrics["pairs_probed"] == 1
    assert relation.metrics["pairs_refined"] >= 1
    assert KEYS.relate([AnswerSet(("1", "2"))])[0].metrics["pairs_by_key"] == 1


def test_undecided_pairs_are_reported_and_not_equal():
    relation = KEYS.relate([AnswerSet(("5", "\\oint f", "\\oint g"))])[0]
    assert relation.equal == ()
    assert relation.undecided == ((0, 1), (0, 2), (1, 2))
    assert relation.metrics["pairs_undecided"] == 3


def test_labels_that_contradict_are_not_compared():
    relation = KEYS.relate([AnswerSet(("u=2\\sin x\\cos x", "v=\\sin 2x"))])[0]
    assert (relation.equal, relation.undecided, relation.metrics["pairs_refined"]) == ((), (), 0)


def test_a_fault_in_reading_one_answer_costs_that_answer(monkeypatch, caplog):
    def faulty(text, policy):
        if text == "7":
            raise KeyError(text)
        return key_of(text, policy)

    monkeypatch.setattr(backend_module, "key_of", faulty)
    relation = MathEquivalence().relate([AnswerSet(("1/2", "0.5", "7"))])[0]
    assert relation.equal == ((0, 1),)
    assert relation.undecided == ((1, 2),)
    assert relation.metrics["answers_failed"] == 1
    assert "could not be read" in caplog.text


def test_a_division_in_which_a_relation_makes_a_sum_of_a_term_is_no_fault():
    text = r"\atanh(((\cot(\cosh(e))) \bmod (\sum_{k=1}^{\sum_{k=1}^{a_1} e} n))^2)"
    (relation,) = MathEquivalence().relate([AnswerSet((text, f"{text}+x"))])
    assert relation.metrics["answers_failed"] == 0


def test_a_fault_in_comparing_two_answers_leaves_them_undecided(monkeypatch, caplog):
    def faulty(a, b, *args, **options):
        raise OverflowError

    monkeypatch.setattr(backend_module, "compare", faulty)
    relation = MathEquivalence().relate([AnswerSet(("x=1", "x=1.0", "(\\sin 1, 1)", "(\\sin 1, 2, 3)"))])[0]
    assert relation.equal == ((0, 1),)
    assert (0, 2) in relation.undecided
    assert relation.metrics["pairs_failed"] >= 1
    assert "could not be compared" in caplog.text


def test_the_longest_answers_are_not_read_past_the_budget_of_a_group(monkeypatch):
    monkeypatch.setattr(backend_module, "MAX_GROUP_WORK", 60)
    texts = ("1/2", "0.5", "(x+1)^2", "x^2+2x+1")
    for order in (texts, texts[::-1]):
        relation = MathEquivalence().relate([AnswerSet(order)])[0]
        assert [{order[i], order[j]} for i, j in relation.equal] == [{"1/2", "0.5"}]
        assert relation.metrics["answers_unread"] == 1


def test_a_faulty_answer_changes_nothing_between_the_others(monkeypatch):
    """Whichever of a group it is: the rest is as it is without it."""

    def faulty(text, policy):
        if text == broken:
            raise RecursionError
        return key_of(text, policy)

    texts = ("1/2", "0.5", "x=5", "5", "\\sin 2x", "2\\sin x\\cos x", "(1,2)", "\\text{yes}", "\\oint f")
    monkeypatch.setattr(backend_module, "key_of", faulty)
    for broken in texts:
        others = tuple(text for text in texts if text != broken)
        whole, rest = MathEquivalence().relate([AnswerSet((broken, *others)), AnswerSet(others)])
        assert whole.metrics["answers_failed"] == 1
        assert {(i - 1, j - 1) for i, j in whole.equal} == set(rest.equal)
        assert {(i - 1, j - 1) for i, j in whole.undecided if i} == set(rest.undecided)


def test_the_budget_of_a_groups_comparisons_goes_to_the_shortest_answers(monkeypatch):
    monkeypatch.setattr(backend_module, "MAX_GROUP_WORK", 8_000)
    texts = ("\\sin 2x", "2\\sin x\\cos x", *(f"\\cos 2x+{k}y+{k}" for k in range(1, 9)),
             *(f"1-2\\sin^2 x+{k}y+{k}" for k in range(1, 9)))  # fmt: skip
    for order in (texts, texts[::-1]):
        relation = MathEquivalence().relate([AnswerSet(order)])[0]
        assert [{order[i], order[j]} for i, j in relation.equal] == [set(texts[:2])]
        assert relation.metrics["pairs_undecided"] == len(relation.undecided) > 0


def test_a_hostile_answer_from_any_thread():
    texts = ("(\\sqrt{x+1}-1)^2", "\\sin^{300000000}x", "9^{9^{9}}", "\\cosh" * 38 + "x", "2x", "x+x")
    expected = MathEquivalence().relate([AnswerSet(texts)])[0]
    found = []
    thread = threading.Thread(target=lambda: found.extend(MathEquivalence().relate([AnswerSet(texts)])))
    thread.start()
    thread.join()
    assert found == [expected]
    assert asyncio.run(asyncio.to_thread(MathEquivalence().relate, [AnswerSet(texts)])) == [expected]
    assert (4, 5) in expected.equal


# Copies, threads, processes


HARD = ("\\sqrt{5+2\\sqrt6}", "\\sqrt2+\\sqrt3", "\\sin 2x", "2\\sin x\\cos x", "\\ln 2")
SETS = [
    AnswerSet(("1/2", "0.5", f"{k}", f"x={k}", "(1,2)", "\\{1,2\\}", *(HARD if k % 8 == 0 else ())))
    for k in range(3, 60)
]


def test_a_pickled_copy_has_the_same_options_and_results():
    backend = MathEquivalence(percent="number", units="strict", decimal_tolerance=1e-3)
    backend.relate(SETS)
    copy = pickle.loads(pickle.dumps(backend))
    assert copy == backend
    assert list(copy.relate(SETS)) == list(backend.relate(SETS))


def test_threads_get_the_same_results():
    expected = list(MathEquivalence().relate(SETS))
    shared = MathEquivalence()
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: list(shared.relate(SETS)), range(16)))
    assert all(result == expected for result in results)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_get_the_same_results(method):
    backend = MathEquivalence()
    expected = list(backend.relate(SETS))
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert list(pool.apply(backend.relate, (SETS,))) == expected


def test_a_forked_child_works_whatever_a_thread_was_doing():
    """FLINT's precision is one number for the process: the child gets a lock and a precision of its own."""
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            MathEquivalence().relate([AnswerSet(("\\sqrt{5+2\\sqrt6}", "\\sqrt2+\\sqrt3", "\\ln 2", "\\sin 1"))])

    before = flint.ctx.prec
    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                relation = MathEquivalence().relate([AnswerSet(("\\sqrt{5+2\\sqrt6}", "\\sqrt2+\\sqrt3"))])[0]
                os._exit(0 if relation.equal and flint.ctx.prec == before else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_the_users_own_precision_is_left_as_it_is():
    before = flint.ctx.prec
    flint.ctx.prec = 77
    try:
        assert KEYS.relate([AnswerSet(("\\sqrt{5+2\\sqrt6}", "\\sqrt2+\\sqrt3"))])[0].equal == ((0, 1),)
        assert flint.ctx.prec == 77
    finally:
        flint.ctx.prec = before


def test_neither_sympy_nor_math_verify_is_imported():
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


@pytest.mark.parametrize("make", [r"\Gamma(x+{})", r"-\Gamma(x+{})", r"e^{{{}}}x", r"2^{{{}}}\pi"], ids=str)
def test_values_beyond_floats_are_told_apart_by_one_evaluation_of_each(make):
    texts = tuple(make.format(n) for n in range(1_100, 1_140))
    (relation,) = MathEquivalence().relate([AnswerSet((*texts, make.format("1100+0")))])
    assert (relation.equal, relation.undecided) == (((0, 40),), ())
    assert relation.metrics["pairs_refined"] <= 1
