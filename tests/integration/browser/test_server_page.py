"""The reward server's last groups in a real browser: the key's form, the page, and groups that appear in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

COMMAND = str(Path(sys.executable).parent / "empo-rewards")
KEY = "open <sesame>"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server that shows its last eight groups."""
    key = tmp_path / "key"
    key.write_text(KEY)
    options = ("--group-size", "2", "--port", "0", "--report-groups", "8", "--api-key-file", str(key))
    with subprocess.Popen([COMMAND, "serve", *options], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stderr)))
        yield found[0]
        server.terminate()


def post(address: str, *names: str) -> None:
    """Have groups scored."""
    groups = [
        {"id": name, "prompt": f"{name} <img src=x onerror=alert(1)>", "responses": [r"\boxed{1}", r"\boxed{2}"]}
        for name in names
    ]
    body = json.dumps({"groups": groups}).encode()
    request = urllib.request.Request(f"{address}/score", body, {"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def enter(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button").click()


def test_the_key_opens_a_page_in_which_new_groups_appear(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(30_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith(address) or complaints.append(request.url))
    post(address, "first", "second")
    page.goto(address)
    enter(page, "wrong")
    enter(page, KEY)
    page.wait_for_selector("html[data-ready=yes] main")
    assert KEY not in page.content()
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], KEY in cookie["value"]) == (True, "Strict", False)
    assert page.evaluate("document.cookie") == ""

    page.goto(f"{address}/#groups")
    rows = page.locator("tbody tr[aria-rowindex]")
    expect(rows).to_have_count(2)
    post(address, "third")
    expect(rows).to_have_count(3)
    page.get_by_role("link", name="third").click()
    expect(page.get_by_role("heading", name="third")).to_be_visible()
    expect(page.locator("main")).to_contain_text("third <img src=x onerror=alert(1)>")

    link = page.url
    for n in range(6):
        post(address, f"later {n}")
    page.wait_for_timeout(3_000)  # the oldest are forgotten; what is open stays
    expect(page.get_by_role("heading", name="third")).to_be_visible()
    page.goto(f"{address}/#groups")
    expect(rows.last).to_contain_text("later 5")
    expect(rows.first).to_contain_text("third")
    page.goto(link)
    expect(page.locator("main")).to_contain_text("third <img src=x onerror=alert(1)>")
    assert complaints == []
    context.close()

    stranger = browser.new_context().new_page()
    stranger.goto(address)
    expect(stranger.get_by_label("API key")).to_be_visible()
    assert "third" not in stranger.content()
