"""A real browser, and what a page does in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Request

__all__ = ["Visit", "browser_or_skip", "visit"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def browser_or_skip() -> Iterator[Browser]:
    """Chromium from the path or `OFFTRAJ_BROWSER`; the test is skipped without one."""
    path = os.environ.get("OFFTRAJ_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on the path: apt-get install chromium, or set OFFTRAJ_BROWSER")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that is open, and everything about it that should not be: requests, complaints, dialogs."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._note_request)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._note_dialog)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith("file:"):
            self.foreign.append(request.url)

    def _note_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def opened(self) -> str:
        """Wait for a trajectory, and say its key."""
        self.page.wait_for_selector("#row[data-row]")
        return str(self.page.get_attribute("#row", "data-row"))

    def go(self, html: Path, fragment: str = "") -> Visit:
        self.page.goto(html.as_uri() + fragment)
        return self

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


@contextmanager
def visit(browser: Browser, html: Path, fragment: str = "", **context: Any) -> Iterator[Visit]:
    """Open a page in a fresh profile, and see that it keeps to itself."""
    with browser.new_context(**context) as fresh:
        there = Visit(fresh.new_page())
        yield there.go(html, fragment)
        assert not there.foreign
        assert not there.complaints
