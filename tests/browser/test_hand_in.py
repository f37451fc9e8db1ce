"""Hand in from the notebook: solve, forget to save, save, click, download."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from pruninglab.hand_in import button

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="pip install playwright", exc_type=ImportError
)
pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("browser")]
EXERCISE = "magnitude_mask"
MINE = """\
def magnitude_mask(weight, sparsity):
    order = weight.abs().flatten().argsort()
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    mask[order[: round(sparsity * weight.numel())]] = False
    return mask.reshape(weight.shape)"""
READY = 10 * 60_000  # milliseconds until the notebook has run in a fresh kernel


@pytest.fixture(scope="module")
def server(release: Any, serve: Callable) -> Any:
    """JupyterLab as students start it. The lab looks at fewer images: less to wait."""
    nb = nbformat.read(release.notebook, as_version=4)
    for cell in nb.cells:
        cell.source = cell.source.replace('data.subset("test")[:1000]', 'data.subset("test")[:50]')
    nbformat.write(nb, release.notebook)
    other = release.notebook.with_stem("scratch")
    nbformat.write(nbformat.v4.new_notebook(), other)  # one that is not meant
    command = [release.python, "-m", "pruninglab", "start"]
    return serve(command, release.folder, release.environment())


def test_a_click_hands_in_the_saved_notebook(
    notebook: Callable, server: Any, release: Any, page: Any, shot: Callable, tmp_path: Path
) -> None:
    lab = notebook(server, str(release.notebook.relative_to(release.folder)))
    cells = lab.on_disk()["cells"]
    last, place = len(cells) - 1, lab.place(EXERCISE)
    lab.run(next(i for i, c in enumerate(cells) if c["cell_type"] == "code"))
    lab.write(place, MINE)
    lab.run(place)
    lab.run(last)
    shown = lab.cell(last)
    click = shown.get_by_role("button", name=f"Saved? Then check and pack {release.lab}.ipynb")
    shot("student-11-hand-in")
    click.click()
    shown.get_by_text(f"has another {EXERCISE} than you ran last").wait_for()
    shown.scroll_into_view_if_needed()
    shot("student-12-hand-in-unsaved")
    assert not (release.folder / "handin").exists()
    lab.save()
    saved = release.notebook.read_bytes()
    click.click()
    bar = shown.get_by_text("a fresh run of the notebook")
    bar.wait_for()
    assert click.is_disabled()
    shot("student-13-hand-in-runs")
    link = shown.get_by_role("link")
    link.wait_for(timeout=READY)
    link.scroll_into_view_if_needed()
    shot("student-14-handed-in")
    said = re.sub(r"\s+", " ", shown.inner_text())
    assert f"done {EXERCISE}" in said
    assert "1 of 9 checks pass" in said
    assert "all 21 graded cells are there, once" in said
    assert f"receipt {hashlib.sha256(saved).hexdigest()}" in said
    target = release.folder / "handin" / f"{release.lab}.zip"
    assert link.inner_text() == str(target)
    with page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "downloaded.zip")
    assert (tmp_path / "downloaded.zip").read_bytes() == target.read_bytes()
    with zipfile.ZipFile(target) as archive:
        assert archive.read(f"{release.lab}.ipynb") == saved
    assert MINE in [cell.source for cell in nbformat.reads(saved.decode(), 4).cells]
    assert not click.is_disabled()
    assert button.NO_BUTTON not in said
