"""The report in a real browser: what it shows, how it is used, and that nothing in it acts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from empo_rewards.cli.app import app
from empo_rewards.group import Answer, AnswerKind, Cause, Group, GroupScore, Status
from empo_rewards.report import Contents, write_page

EXAMPLE = Path(__file__).parents[3] / "examples" / "rollouts.jsonl"

Open = Callable[..., Page]


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The scores of the example's rollouts, and the report of them."""
    folder = tmp_path_factory.mktemp("example")
    scores, page = folder / "scores.jsonl", folder / "report.html"
    run("score", EXAMPLE, "--config", "empo-math", "--out", scores)
    run("report", scores, EXAMPLE, "--config", "empo-math", "--out", page)
    return scores, page


def tiles(page: Page) -> dict[str, str]:
    names, values = page.locator(".tiles dt").all_inner_texts(), page.locator(".tiles dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


def test_the_numbers_are_those_of_an_independent_computation(example: tuple[Path, Path], open_page: Open) -> None:
    scores, path = example
    records = [json.loads(line) for line in scores.read_text().splitlines()]
    labelled = [record for record in records if record["correct"]]
    page = open_page(path)
    shown = tiles(page)
    entropy = np.array([record["entropy"] for record in records])
    shares = np.array([max(record["cluster_shares"]) for record in records])
    right = np.array([record["metrics"]["pseudo_label_accuracy"] > 0.5 for record in labelled])
    assert shown["groups"] == str(len(records))
    assert shown["responses"] == str(sum(len(record["rewards"]) for record in records))
    assert shown["mean entropy (nats)"] == f"{entropy.mean():.3f}"
    assert shown["mean largest share"] == f"{shares.mean():.3f}"
    assert shown["accuracy"] == f"{np.mean([np.mean(record['correct']) for record in labelled]):.3f}"
    assert shown["unanimous"] == f"{100 * np.mean(shares == 1):.1f}%"
    area = roc_auc_score(right, [-record["entropy"] for record in labelled])
    expect(page.get_by_text(re.compile("AUROC"))).to_contain_text(f"AUROC {area:.3f}")
    # pass@k: the mean over all subsets of k responses of "one of them is right".
    curve = page.get_by_role("img", name=re.compile("^pass@k")).get_attribute("aria-label")
    counts = [(len(record["correct"]), sum(record["correct"])) for record in labelled]
    ends = [np.mean([1 - math.prod((n - c - i) / (n - i) for i in range(k)) for n, c in counts]) for k in (1, 8)]
    assert curve == f"pass@k: pass@k from {ends[0]:.3f} to {ends[1]:.3f}"
    bars = page.get_by_role("img", name=re.compile("^Semantic entropy")).get_attribute("aria-label")
    drawn = [int(part.rsplit(" ", 1)[1]) for part in bars.split(": ", 1)[1].split("; ")]
    counted, _ = np.histogram(entropy, bins=20, range=(0, entropy.max()))
    assert drawn == [count for count in counted if count]


def test_groups_are_searched_sorted_filtered_and_opened(example: tuple[Path, Path], open_page: Open) -> None:
    scores, path = example
    records = [json.loads(line) for line in scores.read_text().splitlines()]
    page = open_page(path, "#groups")
    rows = page.locator("tbody tr:not([aria-hidden])")
    expect(rows).to_have_count(len(records))
    page.get_by_role("button", name="entropy").click()
    ids = rows.locator("td:first-child").all_inner_texts()
    assert ids == [record["id"] for record in sorted(records, key=lambda record: record["entropy"])]
    page.get_by_role("button", name="entropy").click()
    assert rows.locator("td:first-child").first.inner_text() == max(records, key=lambda r: r["entropy"])["id"]
    page.keyboard.press("/")
    page.keyboard.type("triangle")
    expect(page.get_by_role("status")).to_contain_text("2 of 18 groups")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("only where").select_option(label="a guard fired")
    flagged = [record["id"] for record in records if any(record["flags"])]
    assert sorted(rows.locator("td:first-child").all_inner_texts()) == sorted(flagged)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save these ids").click()
    saved = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert sorted(saved) == sorted(flagged)
    rows.first.click()
    expect(page.get_by_role("heading", name="Prompt")).to_be_visible()


def test_the_keyboard_opens_a_group_and_comes_back(example: tuple[Path, Path], open_page: Open) -> None:
    page = open_page(example[1], "#groups")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("hypotenuse")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", level=1)).to_have_text("interval")
    page.keyboard.press("k")
    expect(page.get_by_role("heading", level=1)).to_have_text("hypotenuse")
    page.keyboard.press("Escape")
    expect(page.locator("tr.chosen td:first-child")).to_have_text("hypotenuse")


def test_a_link_leads_to_a_group_that_shows_spans_and_reasons(example: tuple[Path, Path], open_page: Open) -> None:
    page = open_page(example[1], "#id=sum-of-roots")
    expect(page.get_by_role("heading", level=1)).to_have_text("sum-of-roots")
    page.locator("summary", has_text="response 0").click()
    expect(page.locator("details[open] mark").first).to_have_text("3/2")
    page.get_by_label("one answer").select_option(label="3/2")
    page.get_by_label("another").select_option(label="\\dfrac32")
    expect(page.locator(".why dl")).to_contain_text("the same, in one cluster")
    page.get_by_label("another").select_option(label="\\frac{7}{2}")
    expect(page.locator(".why dl")).to_contain_text("different, in different clusters")
    assert page.locator(".spellings math mfrac").count() >= 1


@pytest.mark.parametrize("view", ["", "#groups", "#id=sum-of-roots"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(example: tuple[Path, Path], open_page: Open, view: str, scheme: str) -> None:
    page = open_page(example[1], view, scheme=scheme)
    page.wait_for_selector("figure svg, tbody td, details")
    found = Axe().run(page).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []


@pytest.mark.parametrize("view", ["", "#groups", "#id=sum-of-roots"])
def test_it_fits_a_phone(example: tuple[Path, Path], open_page: Open, view: str) -> None:
    page = open_page(example[1], view, width=390)
    page.wait_for_selector("figure svg, tbody td, details")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_is_dark_where_the_reader_wants_it(example: tuple[Path, Path], open_page: Open) -> None:
    light, dark = (open_page(example[1], scheme=scheme) for scheme in ("light", "dark"))
    colours = [page.evaluate("getComputedStyle(document.body).backgroundColor") for page in (light, dark)]
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
    assert brightness[0] > 700 > 150 > brightness[1]


PAYLOADS = {
    "script": "<script>window.acted = 1; alert(1)</script>",
    "handler": '<img src=x onerror="window.acted = 1; alert(1)">',
    "closing": "</script></details></main><h1>forged</h1><script>window.acted = 1</script>",
    "mathml": '<math><mtext><img src=x onerror="window.acted=1"></mtext></math>',
    "latex": r"\href{javascript:window.acted=1}{x^2}\includegraphics{https://example.com/x.png}\html@mathml{<img>}",
    "macros": r"\def\a{\a\a}\a^2" + r"{\sqrt" * 300,
    "bidi": "right\u202egnorw\u2066 and \u200bhidden\u00ad",
    "invisible": "a\u3164b\u115f\ufe0f\u2800\u034f",
    "ansi": "\x1b[2J\x1b]0;forged\x07 cleared\x00",
    "drawn": r"$\href{javascript:window.acted=1}{x}$ \(\html@mathml{<img src=x onerror=acted()>}{y}\) $$<script>$$",
    "surrogate": "half \ud83d of an emoji 😀",
    "template": "{{data}} {{title}} ${window.acted = 1} {{constructor.constructor('window.acted=1')()}}",
}


def test_no_payload_acts(tmp_path: Path, open_page: Open) -> None:
    """Whatever a model, a data set or a plugin wrote is shown and does nothing, wherever it stands."""
    contents = Contents("".join(PAYLOADS.values()))
    for name, text in PAYLOADS.items():
        contents.add(*hostile(name, text))
    path = tmp_path / "hostile.html"
    write_page(contents, path)
    for fragment in ("", "#groups", *(f"#group={row}" for row in range(len(PAYLOADS)))):
        page = open_page(path, fragment)
        page.wait_for_selector("figure svg, tbody td, details")
        while page.locator("details:not([open])").count():  # what is folded is made when it is opened
            page.evaluate("document.querySelectorAll('details:not([open])').forEach(folded => { folded.open = true })")
        check_nothing_acted(page)
        page.evaluate("document.querySelectorAll('button.quiet').forEach(button => button.click())")  # as written
        check_nothing_acted(page)


def check_nothing_acted(page: Page) -> None:
    assert page.evaluate("window.acted") is None
    assert page.locator("img, iframe, object, main script, a[href^=javascript]").count() == 0
    assert page.get_by_role("heading", level=1).count() == 1
    assert re.search("[\u202e\u2066\u200b\u3164\u115f\ufe0f\u2800\u034f\x1b\x00]", page.inner_text("body")) is None


def hostile(name: str, text: str) -> tuple[Group, GroupScore]:
    """A group that says `text` in each of its fields."""
    group = Group(text, [f"{text} is {text}", "42"], reference=text, id=f"{name}{text}", data_source=text)
    answers = (Answer(text, extractor=text, start=len(text) + 4, end=2 * len(text) + 4), Answer("42"))
    return group, GroupScore(
        rewards=(0.5, 0.5), answers=answers, clusters=(0, 1), cluster_shares=(0.5, 0.5), entropy=math.log(2),
        status=Status.SCORED, cause=None, detail=text, metrics={"largest_share": 0.5}, flags=((text,), ()),
        correct=(True, False), id=group.id, size=2, expected_size=2,
    )  # fmt: skip


def test_a_response_of_two_megabytes_is_cut_around_its_answer(tmp_path: Path, open_page: Open) -> None:
    text = "😀 so " * 400_000 + "42"
    score = GroupScore(
        rewards=(1.0,), answers=(Answer("42", start=len(text) - 2, end=len(text)),), clusters=(0,),
        cluster_shares=(1.0,), entropy=0.0, status=Status.SCORED, metrics={"largest_share": 1.0}, size=1,
        expected_size=1,
    )  # fmt: skip
    contents = Contents("long")
    contents.add(Group("?", [text]), score)
    write_page(contents, tmp_path / "long.html")
    page = open_page(tmp_path / "long.html", "#group=0")
    page.locator("summary", has_text="response 0").click()
    expect(page.locator("mark")).to_have_text("42")
    assert len(page.inner_text("body")) < 60_000


def test_absurd_numbers_and_sizes_stay_readable(tmp_path: Path, open_page: Open) -> None:
    """Rewards of 1e308, an id of a million characters, 300 data sources, a group of 4,096 different answers."""
    contents = Contents("absurd")

    def add(rewards: tuple[float, ...], **fields: Any) -> None:
        size = len(rewards)
        score = GroupScore(
            rewards=rewards, answers=tuple(Answer(str(k)) for k in range(size)), clusters=tuple(range(size)),
            cluster_shares=(1 / size,) * size, entropy=math.log(size), status=Status.SCORED,
            metrics={"largest_share": 1 / size}, size=size, expected_size=size, id=fields.get("id"),
        )  # fmt: skip
        contents.add(Group("?", ["no answer " * 20] * size, **fields), score)

    for number in range(300):
        add((1.0,), data_source=f"source {number}", metadata={"step": number})
    add((1e308, -1e308), id="x" * 10**6)
    add((2.0**-12,) * 4096, id="many")
    write_page(contents, tmp_path / "absurd.html")
    assert (tmp_path / "absurd.html").stat().st_size < 2e6
    page = open_page(tmp_path / "absurd.html")
    expect(page.get_by_role("img", name=re.compile("^Rewards: "))).to_have_attribute(
        "aria-label", re.compile("e\\+307")
    )
    expect(page.get_by_text("20 of 301 sources are shown")).to_be_visible()
    assert re.search(r"\d{20}", page.inner_text("body")) is None
    page = open_page(tmp_path / "absurd.html", "#group=300")
    expect(page.locator("main")).to_contain_text("reward 1.00e+308")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page = open_page(tmp_path / "absurd.html", "#id=many")
    expect(page.get_by_text("100 of 4,096 clusters are shown")).to_be_visible()
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_text("600 of 4,096 clusters are shown")).to_be_visible()


def many(count: int) -> Contents:
    contents = Contents("many")
    for number in range(count):
        group = Group(f"What is {number} + 1?", ["a", "b", "c", "d"], id=f"group-{number}")
        split = number % 3
        score = GroupScore(
            rewards=(0.75, 0.75, 0.75, 0.25), answers=tuple(Answer(str(number + k)) for k in range(4)),
            clusters=(0, 0, 0, 1) if split else (0, 0, 0, 0), cluster_shares=(0.75, 0.25) if split else (1.0,),
            entropy=0.56 if split else 0.0, status=Status.SCORED if split != 1 else Status.UNSCORED,
            cause=None if split != 1 else Cause.ENTROPY_LOW,
            metrics={"largest_share": 0.75 if split else 1.0}, id=group.id, size=4, expected_size=4,
        )  # fmt: skip
        contents.add(group, score)
    return contents


def test_a_hundred_thousand_groups_open_and_scroll(tmp_path: Path, open_page: Open) -> None:
    path = tmp_path / "many.html"
    write_page(many(100_000), path)
    page = open_page(path)
    assert tiles(page)["groups"] == "100,000"
    page.get_by_role("link", name="Groups").click()
    rows = page.locator("tbody tr:not([aria-hidden])")
    assert rows.count() < 100
    page.locator(".groups").evaluate("view => { view.scrollTop = view.scrollHeight }")
    expect(rows.last.locator("td").first).to_have_text("group-99999")
    page.get_by_label("search").fill("group-54321")
    expect(page.get_by_role("status")).to_contain_text("1 of 100,000 groups")
    rows.first.click()
    expect(page.locator("main")).to_contain_text("What is 54321 + 1?")


def test_past_its_bound_the_page_holds_a_sample_and_says_so(tmp_path: Path, open_page: Open) -> None:
    contents = Contents("sample", max_bytes=100_000)
    for number in range(2_000):
        group = Group(f"What is {number} + 1?", [str(number)], id=f"group-{number}")
        fault = number == 77
        score = GroupScore(
            rewards=(None,) if fault else (1.0,), answers=(Answer(str(number)),), clusters=() if fault else (0,),
            cluster_shares=() if fault else (1.0,), entropy=None if fault else 0.0,
            status=Status.UNSCORED if fault else Status.SCORED, cause=Cause.EQUIVALENCE_FAILED if fault else None,
            detail="the backend failed" if fault else None, id=group.id, size=1, expected_size=1,
        )  # fmt: skip
        contents.add(group, score)
    write_page(contents, tmp_path / "sample.html")
    page = open_page(tmp_path / "sample.html")
    expect(page.locator(".notice").first).to_contain_text("numbers of all 2,000 groups and the texts of a sample")
    page = open_page(tmp_path / "sample.html", "#id=group-77")
    expect(page.locator("main")).to_contain_text("the backend failed")


def test_two_configurations_are_compared_on_one_page(tmp_path: Path, open_page: Open) -> None:
    page_path = tmp_path / "compared.html"
    exact = json.dumps({"preset": "empo-math", "equivalence": "exact"})
    said: dict[str, Any] = json.loads(
        run("compare", "empo-math", exact, EXAMPLE, "--json", "--out", page_path).split("\n")[-2]
    )
    page = open_page(page_path, "#groups")
    expect(page.get_by_role("status")).to_contain_text(f"{said['changed']} of {said['changed']} groups")
    rows = page.locator("tbody tr:not([aria-hidden]) td:first-child")
    assert rows.all_inner_texts() == [group["id"] for group in said["changed_groups"]]
    rows.first.click()
    expect(page.get_by_role("heading", name="Before and after")).to_be_visible()


def test_curves_over_the_steps_mark_the_alarm(tmp_path: Path, open_page: Open) -> None:
    """A made-up collapse: answers that depend on the prompt, then one answer for every prompt."""
    contents = Contents("collapse")
    for number in range(400):
        answer = str(number) if number < 200 else "7"
        group = Group(f"What is {number} + 0?", [answer] * 4, metadata={"step": number // 20})
        score = GroupScore(
            rewards=(1.0,) * 4, answers=(Answer(answer, AnswerKind.ANSWER),) * 4, clusters=(0,) * 4,
            cluster_shares=(1.0,), entropy=0.0, status=Status.SCORED, metrics={"largest_share": 1.0, "entropy": 0.0},
            size=4, expected_size=4,
        )  # fmt: skip
        contents.add(group, score)
    write_page(contents, tmp_path / "collapse.html")
    page = open_page(tmp_path / "collapse.html")
    expect(page.get_by_text("The monitor's alarm is on from step")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Entropy: "))).to_be_visible()
