"""One Chromium for each file of tests. It asks nobody for anything, and every page is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page

from fixtures.browser import chromium
from pipeline.render.document import RunDocument
from pipeline.render.html import render_html

WIDTHS: Final = {"wide": 1280, "narrow": 390}


@dataclass
class Watched:
    """A page of a report from disk, with all that it should not do."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """What the table says about itself."""
        return self.page.locator("#inventory-status").inner_text()

    @property
    def rows(self) -> list[list[str]]:
        """The texts of the rows that are drawn."""
        rows: list[list[str]] = self.page.evaluate(
            "[...document.querySelectorAll('#inventory tbody tr[aria-selected]')]"
            ".map((row) => [...row.cells].slice(1).map((cell) => cell.textContent))"
        )
        return rows

    def search(self, text: str) -> None:
        """Type into the search field."""
        self.page.fill("#inventory-search", text)


Opener = Callable[..., Watched]

_WATCH: Final = """
window.dialogs = [];
for (const name of ["alert", "confirm", "prompt", "open"]) {
  window[name] = (text) => { window.dialogs.push(`${name}: ${text}`); };
}
document.addEventListener("securitypolicyviolation", (event) => {
  window.dialogs.push(`policy: ${event.violatedDirective}`);
});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Playwright keeps an event loop running: tests of other files need their own."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[RunDocument, str], Path]:
    """Render a document once, whoever needs it."""
    folder = tmp_path_factory.mktemp("reports")

    def write(document: RunDocument, name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(render_html(document), encoding="utf-8")
        return path

    return write


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opener]:
    """Open a report; afterwards nothing may have gone wrong on it."""
    with watching(browser) as opener:
        yield opener


@contextmanager
def watching(browser: Browser) -> Iterator[Opener]:
    pages: list[Watched] = []

    def open_(
        path: Path, anchor: str = "", *, width: str = "wide", scheme: str = "light"
    ) -> Watched:
        context = browser.new_context(
            viewport={"width": WIDTHS[width], "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            offline=True,
            service_workers="block",
        )
        context.add_init_script(_WATCH)
        watched = Watched(context.new_page())
        pages.append(watched)
        address = path.as_uri()
        watched.page.on("console", lambda said: watched.wrong.append(f"console: {said.text}"))
        watched.page.on("pageerror", lambda error: watched.wrong.append(f"error: {error}"))
        watched.page.on("dialog", lambda shown: watched.wrong.append(f"dialog: {shown.message}"))
        watched.page.on(
            "request",
            lambda asked: (
                None
                if asked.url.partition("#")[0] == address or asked.url.startswith("blob:")
                else watched.wrong.append(f"request: {asked.url}")
            ),
        )
        watched.page.goto(address + anchor)
        if watched.page.locator("#inventory-data").count():
            watched.page.locator("#inventory-table tbody tr[aria-selected]").first.wait_for()
        return watched

    try:
        yield open_
        for watched in pages:
            watched.wrong += watched.page.evaluate("window.dialogs")
            assert not watched.wrong, "\n".join(watched.wrong)
    finally:
        for watched in pages:
            watched.page.context.close()
