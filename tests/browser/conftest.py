"""Both chairs in a real browser: JupyterLab on a free port, Chromium driven by Playwright.

`make test-browser` runs these tests; without a browser they are skipped, and say why. Pictures of
what was on the screen lie in build/screenshots/ afterwards: look at them.

    PRUNINGLAB_CHROMIUM=/path   use this Chromium, Chrome or Edge (else: Playwright's own, if
                                `playwright install chromium` was run, else one on the PATH)
    FRESH=1                     install the release in a new virtual environment (minutes, 5 GB);
                                else it runs in this one, with the library of the release
    SHEETS=1                    draw every solved notebook, light and dark, into build/sheets/
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

try:
    from playwright import sync_api
except ImportError:  # then the tests are skipped, and say why
    sync_api = None  # type: ignore[assignment]

ROOT = Path(__file__).parent.parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
TOKEN = "a-token-for-these-tests"
SCREEN = {"width": 1280, "height": 800}  # what a projector shows
START = 120  # seconds until JupyterLab answers, on a busy machine
PATIENCE = 60  # seconds for what the browser waits for
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"  # the notebook that is on the screen


# --- the browser ----------------------------------------------------------------------------------


def chromium_path(own: str) -> str | None:
    """The browser to use; None where there is none."""
    named = os.environ.get("PRUNINGLAB_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
    candidates = [named] if named else [own, *map(shutil.which, names)]
    return next((path for path in candidates if path and Path(path).exists()), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; the tests are skipped where there is none."""
    if sync_api is None:
        pytest.skip("no Playwright: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        path = chromium_path(playwright.chromium.executable_path)
        if path is None:
            pytest.skip("no Chromium: `playwright install chromium`, or set PRUNINGLAB_CHROMIUM")
        for old in SCREENSHOTS.glob("failed-*.png"):
            old.unlink()
        running = playwright.chromium.launch(executable_path=path)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A fresh tab that may load nothing from elsewhere; a failed test leaves its picture."""
    context = browser.new_context(viewport=SCREEN)
    context.set_default_timeout(1000 * PATIENCE)
    context.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), refuse)
    tab = context.new_page()
    failed = request.session.testsfailed
    yield tab
    if request.session.testsfailed > failed:
        picture(tab, f"failed-{request.node.name}")
    context.close()


def refuse(route: Any) -> None:
    """The course works without a network."""
    route.abort()


def picture(tab: Any, name: str) -> Path:
    """Keep what is on the screen as build/screenshots/NAME.png."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{re.sub(r'[^a-zA-Z0-9._-]+', '-', name)}.png"
    tab.screenshot(path=path)
    return path


@pytest.fixture
def shot(page: Any) -> Callable[[str], Path]:
    """`shot("student-1-start")` keeps the screen as build/screenshots/student-1-start.png."""
    return lambda name: picture(page, name)


# --- the release, and what runs it ----------------------------------------------------------------


def unpacked(lab: str, into: Path) -> Path:
    """The release bundle of a lab, built now and unpacked; returns its folder."""
    from solutions.builder import bundle

    with zipfile.ZipFile(bundle.bundle(lab, into / f"{lab}.zip")) as archive:
        archive.extractall(into)
    return into / lab


def fresh_python(folder: Path) -> Path:
    """Python of a new environment in a student's folder, by the first lines of its README."""
    commands = re.findall(r"```sh\n(.*\n.*pip install.*\n)", readme(folder))
    subprocess.run(["bash", "-euxc", commands[0]], cwd=folder, check=True)
    return folder / ".venv" / "bin" / "python"


def readme(folder: Path) -> str:
    """What students read."""
    return (folder / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Release:
    """A student's folder: the unpacked bundle, and the Python that runs it."""

    lab: str
    folder: Path
    python: Path

    @property
    def notebook(self) -> Path:
        """The lab's notebook on the disk."""
        return self.folder / "labs" / self.lab / f"{self.lab}.ipynb"

    def environment(self) -> dict[str, str]:
        """Of its processes: they find the library of the release, not the repository's."""
        return {"PYTHONPATH": str(self.folder)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run `python ARGUMENTS` in the folder, as a student would."""
        return subprocess.run(
            [str(self.python), *arguments], cwd=self.folder, capture_output=True, text=True,
            env=os.environ | self.environment(),
        )  # fmt: skip


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Lab 1 as students get it, one folder for the tests of a module."""
    lab = "01_structures"
    folder = unpacked(lab, tmp_path_factory.mktemp("student"))
    python = fresh_python(folder) if os.environ.get("FRESH") else Path(sys.executable)
    return Release(lab, folder, python)


# --- JupyterLab -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A JupyterLab that runs."""

    url: str
    folder: Path
    log: Path

    def address(self, path: str) -> str:
        """Where the browser finds a page, e.g. `address("/lab/tree/labs/START.md")`."""
        return f"{self.url}{path}{'&' if '?' in path else '?'}token={TOKEN}"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(server: Server, process: subprocess.Popen) -> None:
    """Until JupyterLab answers."""
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(server.address("/api/status"), timeout=5).close()
            return
        time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{server.log.read_text()[-3000:]}")


@contextlib.contextmanager
def jupyterlab(
    command: Sequence[str | Path], folder: Path, scratch: Path, env: Mapping[str, str]
) -> Iterator[Server]:
    """A JupyterLab in `folder` that nobody's own settings reach.

    Args:
        command: what starts it, e.g. `[python, "-m", "jupyterlab"]`.
        folder: where it is started: the root of what it shows.
        scratch: for its settings, runtime files and log.
        env: more environment variables.
    """
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", folder, scratch / "jupyterlab.log")
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser"]
    options += ["--ServerApp.ip=127.0.0.1", "--allow-root", "--ServerApp.port_retries=0"]
    own = {name: str(scratch / name.lower()) for name in (
        "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR",
        "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
    )}  # fmt: skip
    own |= {"OMP_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with server.log.open("w") as log:
        process = subprocess.Popen(
            [*map(str, command), *options], cwd=folder, env=os.environ | own | env,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_for(server, process)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """`serve([python, "-m", "jupyterlab"], folder, env={...})`: a server until the module ends."""
    with contextlib.ExitStack() as stack:

        def start(
            command: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None
        ) -> Server:
            scratch = tmp_path_factory.mktemp("jupyter")
            return stack.enter_context(jupyterlab(command, folder, scratch, env or {}))

        yield start


# --- a notebook on the screen ---------------------------------------------------------------------


class Notebook:
    """A notebook that is open in JupyterLab. Cells go by their place in the file, from 0.

    Args:
        page: the browser's tab.
        server: the JupyterLab.
        path: the notebook, below the server's folder.
    """

    def __init__(self, page: Any, server: Server, path: str) -> None:
        self.page, self.server, self.path = page, server, path

    def open(self) -> Notebook:
        """Load it in this tab, and wait for its kernel."""
        self.page.goto(self.server.address(f"/lab/tree/{self.path}?reset"))
        return self.ready()

    def ready(self) -> Notebook:
        """Wait until it is shown and its kernel has nothing to do."""
        self.page.locator(f"{PANEL} .jp-Cell").first.wait_for()
        self.page.locator(".jp-Spinner").first.wait_for(state="detached")
        kernel = self.page.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle$"))
        kernel.wait_for(timeout=1000 * START)
        return self

    def idle(self, seconds: float = 2 * PATIENCE) -> None:
        """Wait until the kernel has nothing (more) to do."""
        light = self.page.locator(f"{PANEL} .jp-Notebook-ExecutionIndicator[data-status=idle]")
        light.wait_for(timeout=1000 * seconds, state="attached")

    def on_disk(self) -> dict[str, Any]:
        """The notebook as it was saved last."""
        return json.loads((self.server.folder / self.path).read_text(encoding="utf-8"))

    def place(self, grade_id: str) -> int:
        """Where nbgrader's cell of this name is."""
        metas = [cell["metadata"].get("nbgrader", {}) for cell in self.on_disk()["cells"]]
        return [meta.get("grade_id") for meta in metas].index(grade_id)

    def cell(self, place: int) -> Any:
        """A cell, scrolled into view."""
        shown = self.page.locator(f"{PANEL} .jp-WindowedPanel-viewport > .jp-Cell").nth(place)
        shown.scroll_into_view_if_needed()
        return shown

    def write(self, place: int, source: str) -> None:
        """Replace a code cell's text, as typed."""
        self.cell(place).locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(source)

    def run(self, place: int, seconds: float = 2 * PATIENCE) -> str:
        """Run a cell (Ctrl+Enter) and wait; returns the text of its outputs."""
        cell = self.cell(place)
        cell.locator(".jp-InputPrompt").click()
        before = cell.locator(".jp-InputPrompt").inner_text()
        self.page.keyboard.press("Control+Enter")
        prompt = re.compile(rf"^(?!{re.escape(before)}$)\[\d+\]:$")
        sync_api.expect(cell.locator(".jp-InputPrompt")).to_have_text(
            prompt, timeout=1000 * seconds
        )
        return self.output(place)

    def output(self, place: int) -> str:
        """The text of a cell's outputs."""
        return self.cell(place).locator(".jp-OutputArea").first.inner_text()

    def menu(self, *entries: str) -> None:
        """Choose from JupyterLab's menus, e.g. `menu("Kernel", "Restart Kernel…")`."""
        self.page.get_by_role("menuitem", name=entries[0], exact=True).first.click()
        for entry in entries[1:]:
            shown = self.page.locator(".lm-Menu .lm-Menu-itemLabel").get_by_text(entry, exact=True)
            shown.last.click()

    def restart_and_run_all(self, seconds: float = 10 * PATIENCE) -> None:
        """Kernel > Restart Kernel and Run All Cells…, and wait for the end."""
        self.menu("Kernel", "Restart Kernel and Run All Cells…")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self.page.wait_for_timeout(2000)  # the kernel goes down, and comes back
        self.idle(seconds)

    def save(self) -> None:
        """Ctrl+S, and wait until it is on the disk, the whole of it."""
        file = self.server.folder / self.path
        before = file.stat().st_mtime_ns
        self.page.keyboard.press("ControlOrMeta+S")
        until = time.monotonic() + PATIENCE
        while file.stat().st_mtime_ns == before and time.monotonic() < until:
            self.page.wait_for_timeout(100)
        while time.monotonic() < until:
            with contextlib.suppress(ValueError):
                self.on_disk()
                return
            self.page.wait_for_timeout(100)


@pytest.fixture
def notebook(page: Any) -> Callable[[Server, str], Notebook]:
    """`notebook(server, "labs/x/x.ipynb")`: open it in JupyterLab."""
    return lambda server, path: Notebook(page, server, path).open()
