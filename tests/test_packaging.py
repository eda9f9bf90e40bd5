"""Packaging: every package of the source tree, the presets, and type information are included."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
PLACES = {"empo_rewards": ROOT / "empo_rewards", "empo_rewards.configs": ROOT / "configs"}
PLACES["empo_rewards.integrations"] = ROOT / "integrations"


def packages_under(name: str, folder: Path) -> set[str]:
    """The names of the package in a folder, and of those in it."""
    return {
        ".".join((name, *init.parent.relative_to(folder).parts))
        for init in folder.rglob("__init__.py")
        if "third_party" not in init.parts
    }


def test_the_report_page_is_that_of_its_sources() -> None:
    """Where this fails, the page is older than `web/`: run `make report-page`."""
    web = ROOT / "web"
    files = [*(web / "src").iterdir(), web / "build.mjs", web / "package-lock.json"]
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.relative_to(web).as_posix()):
        digest.update(file.read_bytes())
    page = (ROOT / "empo_rewards" / "report" / "page.html").read_text(encoding="utf-8")
    assert f'<meta name="built-from" content="{digest.hexdigest()}">' in page
    assert len(page) < 2 * 2**20


def test_every_package_is_shipped() -> None:
    found = set().union(*(packages_under(name, folder) for name, folder in PLACES.items()))
    assert set(SETTINGS["packages"]) == found


def test_the_folders_that_are_mapped_are_these() -> None:
    assert {name: ROOT / place for name, place in SETTINGS["package-dir"].items()} == PLACES


@pytest.mark.parametrize("pattern", SETTINGS["package-data"]["empo_rewards.configs"])
def test_the_configurations_are_shipped(pattern: str) -> None:
    assert list((ROOT / "configs").glob(pattern))
