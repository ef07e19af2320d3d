"""Chromium without a screen, for pages that somebody should have looked at."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
from tests.support import not_here

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@attrs.frozen
class Looked:
    """A page that is open, and what it said and asked for.

    Args:
        page: It.
        said: What is in the console, errors included.
        asked: The URLs that it asked for, besides its own.
    """

    page: Page
    said: list[str] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, until the context ends."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        not_here("there is no Chromium to look at pages with: apt-get install chromium")
    with sync_playwright() as playwright:
        # Root has no other way.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


@contextlib.contextmanager
def looking(browser: Browser, path: Path, *, width: int, is_dark: bool) -> Iterator[Looked]:
    """A page of a file, on a screen so wide."""
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if is_dark else "light"
    )
    looked = Looked(page)
    own = path.as_uri()
    page.on("console", lambda message: looked.said.append(message.text))
    page.on("pageerror", lambda error: looked.said.append(str(error)))
    page.on("request", lambda each: None if each.url == own else looked.asked.append(each.url[:80]))
    # Whoever runs tests may have other things to do.
    page.set_default_timeout(100_000)
    page.goto(own)
    yield looked
    page.close()
