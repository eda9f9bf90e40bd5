"""A headless Chromium, and pages of reports opened in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "these tests need Chromium: install it, or name it in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page that was opened, with what went wrong in it.

    Args:
        page: the page.
        complaints: errors and warnings of the console, uncaught errors, and dialogs.
        requests: addresses that were asked for, other than the page itself.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a report: `open_page(path, "#groups", width=390, scheme="dark")`. At the end no page has complained."""
    opened: list[Opened] = []

    def open_one(path: Path, fragment: str = "", *, width: int = 1280, scheme: str = "light") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(30_000)
        new = Opened(page)
        opened.append(new)
        page.on("console", lambda said: said.type in ("error", "warning") and new.complaints.append(said.text))
        page.on("pageerror", lambda error: new.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (new.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: new.requests.append(request.url))
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("html[data-ready=yes] main")
        return page

    yield open_one
    for each in opened:
        assert each.complaints == []
        assert {urlsplit(url).scheme for url in each.requests} <= {"file", "blob"}
        assert len([url for url in each.requests if url.startswith("file:")]) == 1
        each.page.close()
