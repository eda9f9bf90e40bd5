"""The report in a headless Chromium: size, opening, search, sort, filters, scrolling, opening a group.

    python benchmarks/bench_report.py [--data FILE] [--groups 100000] [--out FILE]

Needs playwright and Chromium (CHROMIUM names it). Three pages: of the example, of the groups of --data (or generated
ones), and of --groups groups, which are those again and again under other ids, over 100 steps.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from empo_rewards import Group, GroupScore, Scorer
from empo_rewards.reading import ReadGroup, read_groups
from empo_rewards.reading.rows import parse_row
from empo_rewards.report import Contents, write_page
from empo_rewards.report.page import template

sys.path.insert(0, str(Path(__file__).parent))

from data import add_data_option, math_rows

EXAMPLE = Path(__file__).parents[1] / "examples" / "rollouts.jsonl"
REPEATS = 3

# Scrolls the table by 60 px a frame for two seconds; the times between frames in ms.
SCROLL = """
() => new Promise((resolve) => {
  const view = document.querySelector(".groups");
  const frames = [];
  let last = performance.now();
  const end = last + 2000;
  const step = (now) => {
    frames.push(now - last);
    last = now;
    view.scrollTop += 60;
    if (now < end) requestAnimationFrame(step); else resolve(frames.slice(1));
  };
  requestAnimationFrame(step);
})
"""

# Does something and waits until the page has been painted after it; ms.
TIMED = """
async ([act, argument]) => {
  const start = performance.now();
  const find = (selector) => document.querySelector(selector);
  const set = (element, value, event) => {
    const kind = element.tagName === "SELECT" ? HTMLSelectElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(element, value);
    element.dispatchEvent(new Event(event, { bubbles: true }));
  };
  if (act === "search") set(find("input[type=search]"), argument, "input");
  if (act === "filter") set(find("[role=search] select"), argument, "change");
  const heads = [...document.querySelectorAll("thead button")];
  if (act === "sort") heads.find((button) => button.innerText.startsWith(argument)).click();
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - start;
}
"""


def measured(browser: Browser, path: Path) -> dict[str, Any]:
    """The times of one page, in ms: medians of the repeats; of frames the median, the 95th percentile and the worst."""
    found: dict[str, list[float]] = {}
    frames: list[float] = []
    for _ in range(REPEATS):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)

        def timed(name: str, act: str, argument: str, page: Page = page) -> None:
            found.setdefault(name, []).append(page.evaluate(TIMED, [act, argument]))

        start = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=yes] main figure svg")
        found.setdefault("open", []).append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
        page.get_by_role("link", name="Groups").click()
        page.wait_for_selector("tbody tr td a")
        found.setdefault("table", []).append(1000 * (time.perf_counter() - start))
        frames += page.evaluate(SCROLL)
        timed("sort by number", "sort", "entropy")
        timed("sort by text", "sort", "prompt")
        timed("search", "search", "the")
        timed("search, none found", "search", "no such text")
        timed("search cleared", "search", "")
        timed("filter", "filter", "scored")
        start = time.perf_counter()
        page.locator("tbody tr td a").first.click()
        page.wait_for_selector("main .tiles, main .notice")
        found.setdefault("open a group", []).append(1000 * (time.perf_counter() - start))
        page.close()
    frames.sort()
    times = {name: round(statistics.median(values), 1) for name, values in found.items()}
    ranks = {"median": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        "ms": times,
        "frame ms": {
            **{name: round(frames[int(part * len(frames))], 1) for name, part in ranks.items()},
            "worst": round(frames[-1], 1),
            "frames": len(frames),
        },
    }


def written(path: Path, pairs: Iterable[tuple[Group, GroupScore]], scorer: Scorer | None = None) -> dict[str, Any]:
    """Write a page; its sizes in MB and how long that took."""
    start = time.perf_counter()
    contents = Contents(path.stem, why=None if scorer is None else scorer.why)
    for group, score in pairs:
        contents.add(group, score)
    write_page(contents, path)
    seconds = time.perf_counter() - start
    size, page = path.stat().st_size / 1e6, len(template().encode()) / 1e6
    return {
        "groups": len(contents.numbers),
        "MB": round(size, 2),
        "MB without data": round(page, 2),
        "write s": round(seconds, 1),
    }


def main() -> None:
    """Run it all, and print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_option(parser)
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, Scorer("empo-math") as scorer, sync_playwright() as playwright:
        example = [item.group for item in read_groups(EXAMPLE) if isinstance(item, ReadGroup)]
        groups = [group for row in math_rows(arguments.data) if isinstance(group := parse_row(row), Group)]
        pairs = list(scorer.score_many(groups, with_groups=True))
        many = (
            (replace(group, id=f"g{k}", metadata={"step": k * 100 // arguments.groups}), replace(score, id=f"g{k}"))
            for k, (group, score) in zip(range(arguments.groups), itertools.cycle(pairs), strict=False)
        )
        pages = {
            "example": (scorer.score_many(example, with_groups=True), scorer),
            "math groups": (pairs, scorer),
            "many": (many, None),
        }
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (given, reasons) in pages.items():
            path = Path(folder) / f"{name.replace(' ', '-')}.html"
            results[name] = written(path, given, reasons)
            results[name].update(measured(browser, path))
            print(name, json.dumps(results[name]), flush=True)
        browser.close()
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
