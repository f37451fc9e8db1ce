"""The student's chair: open, fail, hint, solve, validate, hand in; in the order of the tests."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from typing import Any

import nbformat
import pytest

from pruninglab.grading.sample_class import fill
from pruninglab.overview.manifest import manifest
from solutions.builder import build
from solutions.lab1_structures import exercises as structures
from solutions.lab1_structures import mistakes as structures_mistakes

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="pip install playwright", exc_type=ImportError
)
# A busy machine; each step has its own limit. Without a browser nothing of it runs.
pytestmark = [pytest.mark.timeout(3600), pytest.mark.usefixtures("browser")]
EXERCISE = "magnitude_mask"
WRONG = """\
def magnitude_mask(weight, sparsity):
    order = weight.flatten().argsort()
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    mask[order[: round(sparsity * weight.numel())]] = False
    return mask.reshape(weight.shape)"""
RIGHT = WRONG.replace("weight.flatten()", "weight.abs().flatten()")
HINT = build.hint(structures_mistakes.MISTAKES[EXERCISE][0])
VALIDATE = 15 * 60  # seconds: it runs the whole notebook


@pytest.fixture(scope="module")
def server(release: Any, serve: Callable) -> Any:
    """JupyterLab as students start it."""
    command = [release.python, "-m", "pruninglab", "start"]
    return serve(command, release.folder, release.environment())


@pytest.fixture
def lab(notebook: Callable, server: Any, release: Any) -> Any:
    """The lab on the screen."""
    return notebook(server, str(release.notebook.relative_to(release.folder)))


def validate(page: Any) -> str:
    """Click nbgrader's button; what its dialog says."""
    page.get_by_role("button", name="Validate").first.click()
    dialog = page.locator(".jp-Dialog-content")
    dialog.wait_for(timeout=1000 * VALIDATE)
    text = dialog.inner_text()
    return text


def close_dialog(page: Any) -> None:
    page.locator(".jp-Dialog button.jp-mod-accept").click()


def solve_all(release: Any) -> None:
    """Write solutions into the notebook on the disk, and let it look at 50 images: less to wait."""
    nb = nbformat.read(release.notebook, as_version=4)
    right = {name: getattr(structures, name) for name in structures_mistakes.MISTAKES}
    entries = manifest(release.notebook.parent)["cells"]
    answers = {x["name"]: "Because of this." for x in entries if x["kind"] == "answer"}
    nb = fill(nb, right, answers)
    for cell in nb.cells:
        cell.source = cell.source.replace('data.subset("test")[:1000]', 'data.subset("test")[:50]')
    nbformat.write(nb, release.notebook)


def begin(lab: Any) -> None:
    """Run the first cells, as the lab says: its picture, then its imports."""
    for place in (1, 3):
        lab.run(place)


def test_the_start_page_leads_to_the_lab(page: Any, server: Any, shot: Callable) -> None:
    page.goto(server.address("/"))
    page.locator(".jp-MarkdownViewer summary").wait_for()
    shot("student-01-start")
    body = page.locator(".jp-MarkdownViewer").inner_text()
    assert "0\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}23\N{NO-BREAK SPACE}points" in body
    assert "135" in body
    page.locator(".jp-MarkdownViewer").get_by_role("link").first.click()
    sync_api.expect(page.locator(".jp-NotebookPanel h1").first).to_contain_text("Structures")
    shot("student-02-lab")


def test_a_wrong_answer_gets_a_hint_and_a_picture(lab: Any, page: Any, shot: Callable) -> None:
    begin(lab)
    place = lab.place(EXERCISE)
    assert "not written yet" in lab.run(place + 1) or "not defined" in lab.output(place + 1)
    lab.write(place, WRONG)
    lab.run(place)
    said = lab.run(place + 1)
    assert "✘ not yet" in said
    assert f"Likely: {HINT}" in re.sub(r"\s+", " ", said)
    assert lab.cell(place + 1).locator(".jp-OutputArea img").count() == 1
    shot("student-03-wrong")
    lab.menu("Settings", "Theme", "JupyterLab Dark")
    page.wait_for_timeout(1500)
    shot("student-04-wrong-dark")
    lab.menu("Settings", "Theme", "JupyterLab Light")
    lab.save()


def test_validate_refuses_what_the_check_refuses(lab: Any, page: Any, shot: Callable) -> None:
    said = validate(page)
    shot("student-05-validate-wrong")
    assert "The following cell failed" in said
    assert f"check({EXERCISE})" in said
    close_dialog(page)


def test_a_right_answer_turns_green_and_brings_points(
    lab: Any, page: Any, server: Any, shot: Callable
) -> None:
    begin(lab)
    place = lab.place(EXERCISE)
    lab.write(place, RIGHT)
    lab.run(place)
    said = lab.run(place + 1)
    count = len(build.probes_of("01_structures")[EXERCISE])
    assert f"✔ passed  {EXERCISE}: {count} of {count} checks passed" in said
    assert "3 of 23 points by the checks so far" in said
    badge = lab.cell(place + 1).get_by_text("✔ passed")
    assert badge.evaluate("x => getComputedStyle(x).backgroundColor") == "rgb(0, 135, 0)"
    shot("student-06-right")
    lab.save()
    page.goto(server.address("/"))
    page.locator(".jp-MarkdownViewer summary").wait_for()
    shot("student-07-start-again")
    body = page.locator(".jp-MarkdownViewer").inner_text()
    assert "✔ passed" in body
    assert "3\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}23" in body


def test_restart_and_run_all_ends_without_an_error(release: Any, request: Any) -> None:
    solve_all(release)
    lab = request.getfixturevalue("lab")  # opened now, with the solutions in it
    lab.restart_and_run_all()
    panel = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    assert panel.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert panel.get_by_text(re.compile("Error displaying widget|Loading widget")).count() == 0
    assert panel.locator(".jp-OutputArea .widget-slider").count() >= 1
    assert panel.get_by_text("23 of 23 points by the checks").count() == 1
    lab.save()


def test_a_slider_redraws_its_picture(lab: Any, page: Any, shot: Callable) -> None:
    cells = lab.on_disk()["cells"]
    place = next(i for i, c in enumerate(cells) if "\nslider(" in "".join(c["source"]))
    lab.run(place, 300)  # its kernel still has everything from the run of all cells
    picture = lab.cell(place).locator(".jp-OutputArea img.widget-image, .jp-OutputArea img").first
    picture.wait_for()
    before = picture.get_attribute("src")
    handle = lab.cell(place).locator(".noUi-handle").first
    handle.focus()
    page.keyboard.press("ArrowRight")
    sync_api.expect(picture).not_to_have_attribute("src", before, timeout=300_000)
    shot("student-08-slider")
    lab.menu("Settings", "Theme", "JupyterLab Dark")
    page.wait_for_timeout(1500)
    shot("student-09-slider-dark")
    lab.menu("Settings", "Theme", "JupyterLab Light")


def test_validate_accepts_what_the_check_accepts(lab: Any, page: Any, shot: Callable) -> None:
    said = validate(page)
    shot("student-10-validate-right")
    assert "Your notebook passes all the tests" in said
    close_dialog(page)


def test_what_is_handed_in_is_the_notebook(release: Any) -> None:
    done = release.run("-m", "pruninglab", "submit", release.lab)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 of 9 checks pass: ■■■■■■■■■■ 23 of 23 points" in done.stdout
    assert "all 21 graded cells are there, once" in done.stdout
    with zipfile.ZipFile(release.folder / "handin" / f"{release.lab}.zip") as archive:
        assert archive.read(release.notebook.name) == release.notebook.read_bytes()
    verified = release.run("-m", "pruninglab", "submit", "--verify", str(release.notebook)).stdout
    assert f"receipt  {verified.split()[0]}" in done.stdout
