"""Handing in: what is not ready is said in plain words, and what is packed can be graded."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from pruninglab.grading import flow
from pruninglab.grading.intake.read import parse
from pruninglab.notebook import grade_id
from pruninglab.overview.manifest import manifest
from pruninglab.student import completeness, fresh_run, lacking, receipt, submit
from pruninglab.student.causes import causes
from pruninglab.student.diagnosis import Outcome
from pruninglab.student.findings import Finding
from pruninglab.student.fresh_run import Run
from tests.helpers.copies import ROOT
from tests.helpers.solved import ANSWERS, LAB


def cell_of(nb: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in nb.cells if grade_id(cell) == name)


def place_of(nb: NotebookNode, name: str) -> int:
    return nb.cells.index(cell_of(nb, name))


def change(file: Path, damage: Callable[[NotebookNode], object]) -> None:
    nb = nbformat.read(file, as_version=4)
    damage(nb)
    nbformat.write(nb, file)


def hand_in(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[str, str]:
    """What the command prints, and its error ("" if it packed)."""
    old, sys.argv = sys.argv, ["submit", *arguments]
    try:
        submit.main()
    except SystemExit as stop:
        return capsys.readouterr().out, str(stop.code)
    finally:
        sys.argv = old
    return capsys.readouterr().out, ""


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- what is ready is packed ----------------------------------------------------------------------


def test_what_is_ready_is_packed_with_a_receipt(file: Path, capsys: pytest.CaptureFixture) -> None:
    printed, error = hand_in(capsys, LAB)
    assert not error, printed
    assert "✓ all 5 graded cells are there, once" in printed
    assert "2 of 2 checks pass" in printed
    number = receipt.digest(file.read_bytes())
    target = Path("handin", f"{LAB}.zip")
    with zipfile.ZipFile(target) as archive:
        assert archive.read(f"{LAB}.ipynb") == file.read_bytes()
        assert json.loads(archive.read("receipt.json"))["sha256"] == number
    assert f"receipt  {number}" in printed
    stored = json.loads(target.with_suffix(".receipt.json").read_text())
    assert stored == {"lab": LAB, "notebook": file.name, "sha256": number}
    first = target.read_bytes()
    receipt.pack(file.resolve(), file.read_bytes(), "")
    assert target.read_bytes() == first
    assert sorted(p.name for p in target.parent.iterdir()) == [
        f"{LAB}.receipt.json", f"{LAB}.zip",
    ]  # fmt: skip


def test_a_receipt_can_be_verified(file: Path, capsys: pytest.CaptureFixture) -> None:
    target, number = receipt.pack(file, file.read_bytes(), "ada")
    assert target.name == f"ada_{LAB}.zip"
    printed, error = hand_in(capsys, "--verify", str(target), str(file))
    assert not error
    assert [line.split()[0] for line in printed.splitlines()] == [number, number]
    change(file, lambda nb: nb.cells.pop())
    assert number not in hand_in(capsys, "--verify", str(file))[0]
    assert "cannot be read" in hand_in(capsys, "--verify", "nowhere.zip")[1]
    with zipfile.ZipFile("empty.zip", "w") as archive:
        archive.writestr("notes.txt", "none")
    printed, error = hand_in(capsys, "--verify", "empty.zip")
    assert not printed
    assert "empty.zip has no notebook in it: give the zip in handin/" in error


@pytest.mark.usefixtures("_sandbox", "_graders")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "arrives",
    ["Lovelace Ada_12_assignsubmission_file_", "Lovelace Ada_12_assignsubmission_file_/", "ada_"],
)
def test_grading_takes_the_zip_and_the_receipt_still_holds(
    file: Path, pristine: Path, tmp_path: Path, arrives: str
) -> None:
    """As three learning platforms name it."""
    target, number = receipt.pack(file, file.read_bytes(), "")
    course = Path(shutil.copytree(pristine, tmp_path / "course"))
    archive = course / "downloaded" / LAB / "archive" / f"{arrives}{target.name}"
    archive.parent.mkdir(parents=True)
    shutil.copy(target, archive)
    report = flow.run(course, LAB)
    (student,) = report.marks
    assert student == ("ada" if arrives == "ada_" else "Lovelace Ada_12")
    assert [mark.points for mark in report.marks[student].values()] == [2, 3, None]
    collected = course / "submitted" / student / LAB / f"{LAB}.ipynb"
    assert [found for found, _ in receipt.receipts(collected)] == [number]


# --- what is wrong with the cells -----------------------------------------------------------------


def copied(nb: NotebookNode) -> None:
    nb.cells.append(nbformat.from_dict(dict(cell_of(nb, "double"), id="copy")))


def renamed_cell(nb: NotebookNode) -> None:
    cell_of(nb, "double").metadata.nbgrader.grade_id = "doubled"


def pasted(nb: NotebookNode) -> None:
    nb.cells[place_of(nb, "triple")] = new_code_cell(ANSWERS["triple"])


def as_text(nb: NotebookNode) -> None:
    cell = cell_of(nb, "double")
    cell.cell_type = "markdown"
    del cell["outputs"], cell["execution_count"]


def source(name: str, text: str) -> Callable[[NotebookNode], object]:
    return lambda nb: cell_of(nb, name).update(source=text)


def without(name: str) -> Callable[[NotebookNode], object]:
    return lambda nb: nb.cells.remove(cell_of(nb, name))


def as_handed_out(cell: NotebookNode, text: str) -> None:
    cell.source = text
    cell.metadata.nbgrader.checksum = completeness.compute_checksum(cell)


def restored(name: str) -> Callable[[NotebookNode], object]:
    """The cell as it was handed out."""
    stub = f"def {name}(x: int) -> int:\n    raise NotImplementedError"
    return lambda nb: as_handed_out(cell_of(nb, name), stub)


def untouched(nb: NotebookNode) -> None:
    """Nothing is written in it."""
    for name in ("double", "triple"):
        restored(name)(nb)
    as_handed_out(cell_of(nb, "why"), "*Write your answer here.*")


WRONG = [
    pytest.param(copied, "the cell 'double' is there 2 times (cell 1 and cell 6)", id="copied"),
    pytest.param(without("test_triple"), "the cell 'test_triple' is missing", id="deleted check"),
    pytest.param(without("double"), "the cell 'double' is missing", id="deleted solution"),
    pytest.param(without("why"), "the cell 'why' is missing", id="deleted answer"),
    pytest.param(renamed_cell, "cell 1 defines double, but is another cell", id="renamed cell"),
    pytest.param(pasted, "cell 3 defines triple, but is another cell", id="pasted"),
    pytest.param(as_text, "'double' is a markdown cell now, and was a code cell", id="as text"),
    pytest.param(
        source("double", "def twice(x): return 2 * x"),
        "does not define double, but twice",
        id="renamed function",
    ),
    pytest.param(source("double", "1"), "does not define double", id="no function"),
    pytest.param(
        source("double", "x = 1\ndef double(x) return 2"), "line 2 is no Python", id="broken"
    ),
]
NOTES = [
    pytest.param(source("test_double", "pass"), "the check was changed", id="changed check"),
    pytest.param(restored("double"), "", id="untouched"),
    pytest.param(source("double", "%matplotlib inline\n" + ANSWERS["double"]), "", id="magic"),
]


def structure(file: Path) -> list[Finding]:
    nb = nbformat.read(file, as_version=4)
    return [
        x for found in completeness.structure(nb, manifest(file.parent)).values() for x in found
    ]


def test_a_complete_notebook_has_nothing_wrong(file: Path) -> None:
    assert structure(file) == []


@pytest.mark.parametrize(("damage", "said"), WRONG)
def test_a_damaged_notebook(file: Path, damage: Callable, said: str) -> None:
    change(file, damage)
    (finding,) = structure(file)
    assert finding.state == "wrong"
    assert said in finding.text
    assert finding.remedy


@pytest.mark.parametrize(("damage", "said"), NOTES)
def test_what_only_deserves_a_note(file: Path, damage: Callable, said: str) -> None:
    change(file, damage)
    found = structure(file)
    assert [f.state for f in found] == ["note"] * bool(said)
    assert all(said in f.text for f in found)


def test_nothing_is_packed_with_a_problem_unless_asked_for(
    file: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "run", lambda *_: Run())
    change(file, copied)
    before = everything(Path())
    printed, error = hand_in(capsys, LAB)
    assert "1 to mend (✗), so nothing is packed; --anyway packs it" in error
    assert "✗ Exercise: the cell 'double' is there 2 times" in printed
    assert everything(Path()) == before
    printed, error = hand_in(capsys, LAB, "--anyway")
    assert not error
    assert "receipt" in printed


# --- what is not written --------------------------------------------------------------------------


def test_an_untouched_lab_is_refused_at_once(
    file: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "run", lambda *_: pytest.fail("it was run"))
    change(file, untouched)
    before = everything(Path())
    _, error = hand_in(capsys, LAB)
    assert error.startswith("error: nothing is written in this notebook yet, so nothing is packed")
    assert "did you save it?" in error
    assert "did you work in" not in error
    assert everything(Path()) == before
    shutil.copy(file, file.with_stem(f"{LAB}-Copy1"))
    assert f"did you work in {LAB}-Copy1.ipynb?" in hand_in(capsys, LAB)[1]


def test_an_untouched_lab_is_packed_if_asked_for(file: Path, capsys: pytest.CaptureFixture) -> None:
    change(file, untouched)
    printed, error = hand_in(capsys, LAB, "--anyway")
    assert not error
    assert "2 of 2 exercises are not written yet: double, triple" in printed
    assert "0 of 2 checks pass" in printed
    assert "receipt" in printed


@pytest.mark.parametrize("written", ["double", "why"])
def test_a_lab_in_which_something_is_written_is_looked_at(file: Path, written: str) -> None:
    change(file, untouched)
    change(file, source(written, ANSWERS[written]))
    submit.refuse_untouched(file, file.read_bytes())


def test_what_is_left_is_said_in_a_line_each(file: Path) -> None:
    nb, lab = nbformat.read(file, as_version=4), manifest(file.parent)
    assert list(completeness.left(nb, lab)) == []
    restored("triple")(nb)
    cell_of(nb, "why").source = " "
    assert [finding.text for finding in completeness.left(nb, lab)] == [
        "1 of 2 exercises is not written yet: triple",
        "1 of 1 answers in words is not written yet: Exercise (cell 5)",
    ]


def test_what_follows_from_an_unwritten_exercise_is_no_problem_of_its_own(
    file: Path, capsys: pytest.CaptureFixture
) -> None:
    change(file, restored("double"))
    for text in (
        "many = double(2)",
        "def f():\n    return many",
        "f()",
        "print(triple(2))",
        "1 / 0",
    ):
        change(file, lambda nb, text=text: nb.cells.append(new_code_cell(text)))
    printed, error = hand_in(capsys, LAB)
    assert not error
    shown = [line.strip() for line in printed.split("from top to bottom")[1].splitlines()[2:-3]]
    assert shown == [
        "· not yet  double (cell 1)",
        "✓ done     triple (cell 3): 3 points",
        "· cell 10, without points: ZeroDivisionError: division by zero",
        "· 2 other cells end with an error because they use double: nothing to mend there",
        "· 1 of 2 checks pass: ■■■■■■□□□□ 3 of 5 points",
    ]


def test_an_exercise_that_uses_an_unwritten_one_waits_for_it(file: Path) -> None:
    change(file, restored("double"))
    change(file, source("triple", "def triple(x):\n    return double(x) + x"))
    assert "not yet  triple (cell 3): it needs double first" in findings(file)["note"]


def test_what_follows_from_a_broken_cell_is_its_fault(file: Path) -> None:
    change(file, lambda nb: nb.cells.insert(0, new_code_cell("import nowhere\nTWO = 2")))
    change(file, source("double", "def double(x):\n    return TWO * x"))
    change(file, lambda nb: nb.cells.append(new_code_cell("print(TWO)")))
    found = findings(file)["note"]
    assert "not yet  double (cell 2): it needs cell 1 first" in found
    assert "cell 1, without points: ModuleNotFoundError: No module named 'nowhere'" in found
    assert "cell 7 ends with an error because it uses cell 1: nothing to mend there" in found


def test_a_name_that_is_made_anew_is_whole_again(file: Path) -> None:
    change(file, restored("double"))
    texts = ("x = double(1)", "x", "x = 1", "x.y", "for x in 1: pass")
    change(file, lambda nb: nb.cells.extend(map(new_code_cell, texts)))
    nb = nbformat.read(file, as_version=4)
    ran = Run(errors=dict.fromkeys((1, 5, 6, 8, 9), "an error"))
    assert causes(nb, ran, {"double"}) == {
        1: {"double"}, 5: {"double"}, 6: {"double"}, 8: {"cell 9"}, 9: {"cell 10"},
    }  # fmt: skip


# --- what a fresh run shows -----------------------------------------------------------------------


def findings(file: Path) -> dict[str, list[str]]:
    """State -> texts of all findings."""
    found = [finding for part in submit.look(file, file.read_bytes()) for finding in part]
    return {s: [f.text for f in found if f.state == s] for s in ("wrong", "note", "ready")}


def test_cells_run_in_another_order_matter_only_if_they_do(file: Path) -> None:
    change(file, lambda nb: nb.cells[0].update(execution_count=9))
    found = findings(file)
    assert found["wrong"] == []
    assert "cell 2 was run before cell 1, which is above it" in found["note"][0]
    change(file, source("double", "def double(x):\n    return FACTOR * x"))
    change(file, lambda nb: nb.cells.append(new_code_cell("FACTOR = 2", execution_count=7)))
    found = findings(file)
    (stale,) = found["wrong"]
    assert stale.startswith("wrong    double (cell 1): it works in your notebook, but not in a")
    assert "name 'FACTOR' is not defined" in stale
    (note,) = found["note"]
    assert "1 of 2 checks pass" in note


def test_a_wrong_answer_and_an_error_are_no_obstacle(file: Path) -> None:
    error = [new_output("error", ename="E", evalue="", traceback=[])]
    change(file, source("double", "def double(x):\n    return 5"))
    change(file, lambda nb: cell_of(nb, "test_double").update(outputs=error))
    change(file, lambda nb: nb.cells.append(new_code_cell("1 / 0")))
    found = findings(file)
    assert found["wrong"] == []
    assert found["note"][0].startswith("wrong    double (cell 1): AssertionError")
    assert found["note"][1] == "cell 6, without points: ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (copied, "done     double (cell 1): 2 points"),
        (without("double"), "wrong    double: see above"),
        (without("test_double"), "not run  double (cell 1): see above"),
        (as_text, "wrong    double (cell 1): see above"),
    ],
)
def test_a_damaged_exercise_is_one_problem(file: Path, damage: Callable, state: str) -> None:
    change(file, damage)
    found = findings(file)
    assert len(found["wrong"]) == 1
    assert state in found["note"] + found["ready"]


def test_a_file_of_the_student_is_not_handed_in(file: Path) -> None:
    """So what needs it fails."""
    (file.parent / "mine.py").write_text("TWO = 2")
    change(file, source("double", "from mine import TWO\ndef double(x):\n    return TWO * x"))
    assert any("No module named 'mine'" in text for text in findings(file)["wrong"])


def test_a_cell_that_takes_too_long(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_run, "CELL", 1)
    slow = "import time\ndef double(x):\n    time.sleep(60)"
    change(file, source("double", slow))
    found = findings(file)
    (slow,) = found["wrong"]
    assert slow.startswith("wrong    double (cell 1): it works in your notebook")
    assert slow.endswith("it took longer than 1 s")
    assert "1 of 2 checks pass" in found["note"][-1]  # the others ran


def test_all_graded_cells_together_take_too_long(file: Path) -> None:
    nb, lab = nbformat.read(file, as_version=4), manifest(file.parent)
    _, found = Outcome(nb, lab, Run(seconds={1: 299.0, 3: 2.0})).limits()
    assert found.text == "the graded cells take 301 s; grading allows 300 s"
    assert found.remedy.startswith("cell 2 takes most")
    (fine,) = Outcome(nb, lab, Run(seconds={1: 299.0, 3: 1.0})).limits()
    assert fine.state == "ready"


def outcome_of(file: Path, seconds: dict[int, float], errors: dict[int, str]) -> Outcome:
    nb, lab = nbformat.read(file, as_version=4), manifest(file.parent)
    return Outcome(nb, lab, Run(seconds=seconds, errors=errors))


def test_a_slow_cell_that_the_functions_need(file: Path) -> None:
    """Grading ends a cell without points like any other; only here it may take longer."""
    texts = ("TWO = 2", "def two():\n    return TWO", "print(two())", "three = 3")
    change(file, lambda nb: nb.cells.__setitem__(slice(0, 0), map(new_code_cell, texts)))
    change(file, source("double", "def double(x):\n    return two() * x"))
    outcome = outcome_of(file, dict.fromkeys(range(4), 100.0), {})
    assert outcome.helpers() == [0, 1]
    assert [finding.text for finding in outcome.limits() if finding.state == "wrong"] == [
        "cell 1 took 100 s, and your functions use what it makes; grading allows a cell 60 s",
        "cell 2 took 100 s, and your functions use what it makes; grading allows a cell 60 s",
    ]


@pytest.mark.parametrize("lab", sorted(path.parent for path in (ROOT / "labs").glob("0*/*.ipynb")))
def test_no_function_needs_a_slow_cell_of_the_labs(lab: Path) -> None:
    """Only the first cell, imports and given functions: the lab's own computing blames nobody."""
    nb = nbformat.read(
        ROOT / "solutions" / "notebooks" / lab.name / f"{lab.name}.ipynb", as_version=4
    )
    helpers = Outcome(nb, manifest(lab), Run()).helpers()
    assert helpers
    first = next(i for i, cell in enumerate(nb.cells) if cell.cell_type == "code")
    for i in set(helpers) - {first}:
        assert nb.cells[i].source.startswith(("import ", "from ", "def ")), nb.cells[i].source


def test_what_to_do_about_a_cell_that_takes_too_long(file: Path) -> None:
    """Grading limits those with points; for the others only `submit` does not wait."""
    change(file, lambda nb: nb.cells.append(new_code_cell("wait()", execution_count=9)))
    late = f"{fresh_run.TOO_LONG} 600 s"
    outcome = outcome_of(file, dict.fromkeys(range(6), 1.0), {1: late, 5: late})
    graded, other = (finding for finding in outcome.exercises() if finding.state == "wrong")
    assert graded.remedy == "make it faster: grading allows no more"
    assert other.remedy == "make it faster, or delete it: `submit` waits no longer"


def test_a_notebook_that_takes_for_ever(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_run, "ALL", 0)
    change(file, lambda nb: nb.cells.insert(0, new_code_cell("import time; time.sleep(0.5)")))
    found = [finding for part in submit.look(file, file.read_bytes()) for finding in part]
    (ended,) = (finding for finding in found if finding.state == "wrong")
    assert ended.text == "a fresh run did not end: after 0 s it had only come to cell 2"
    assert ended.remedy.startswith("make the slowest cells faster (cell 1 took longest), or clear")


def test_a_notebook_that_ends_python(file: Path) -> None:
    change(file, source("double", "import os\ndef double(x):\n    os._exit(1)"))
    found = findings(file)
    (text,) = found["wrong"]
    assert text.startswith("a fresh run did not end: cell 2 ended Python itself")
    assert "not run  triple (cell 3): the run ended before" in found["note"]


# --- what editors leave out, and what grading lacks -----------------------------------------------


def edited(file: Path, damage: Callable[[dict], object]) -> None:
    """Change the JSON, as an editor does that knows another nbformat than Jupyter."""
    tree = json.loads(file.read_text(encoding="utf-8"))
    for cell in tree["cells"]:
        damage(cell)
    file.write_text(json.dumps(tree), encoding="utf-8")


def one_text(cell: dict) -> None:
    cell["source"] = "".join(cell["source"])


ODD = [
    pytest.param(lambda cell: cell.pop("execution_count", 0), "execution_count", id="no count"),
    pytest.param(lambda cell: cell.pop("outputs", 0), "outputs", id="no outputs"),
    pytest.param(lambda cell: cell.update(id=f"{cell['id']} !"), "does not match", id="odd ids"),
    pytest.param(lambda cell: cell.pop("id"), "", id="no ids"),
    pytest.param(one_text, "", id="not in lines"),
    pytest.param(
        lambda cell: (
            cell.update(outputs=[{"output_type": "stream", "text": "x"}])
            if "outputs" in cell
            else None
        ),
        "'name' is a required property",
        id="a stream without a name",
    ),
    pytest.param(
        lambda cell: (
            cell.update(outputs=[{"output_type": "display_data", "data": {}}])
            if "outputs" in cell
            else None
        ),
        "'metadata' is a required property",
        id="a display without metadata",
    ),
]


@pytest.mark.parametrize(("damage", "said"), ODD)
def test_what_an_editor_leaves_out_is_a_note(file: Path, damage: Callable, said: str) -> None:
    edited(file, damage)
    data = file.read_bytes()
    nb = submit.read(file.name, data)
    assert list(completeness.structure(nb, manifest(file.parent))["double"]) == []
    assert len(parse(file.name, data, LAB).cells) == 5
    notes = list(submit.oddities(data))
    assert [note.state for note in notes] == ["note"] * bool(said)
    assert all(said in note.text for note in notes)


@pytest.mark.parametrize("magic", ["%%time", "%%capture shown", "%%timeit -n 1", "%%prun -q"])
def test_a_cell_magic_is_no_obstacle(file: Path, magic: str) -> None:
    change(file, source("double", f"{magic}\n{ANSWERS['double']}"))
    change(file, source("triple", f"%%time\n{magic}\n{ANSWERS['triple']}"))
    found = findings(file)
    assert found["wrong"] == []
    assert any("2 of 2 checks pass" in text for text in found["ready"])


def test_what_grading_does_not_have_is_said_before(file: Path) -> None:
    first = "import json\nfrom google.colab import drive\nimport pytest as p"
    second = "!pip install cupy\ntry:\n    import cupy\nexcept ImportError:\n    pass"
    change(file, lambda nb: nb.cells.insert(0, new_code_cell(first)))
    change(file, lambda nb: nb.cells.insert(1, new_code_cell(second)))
    change(file, source("double", "def double(x):\n    return p.approx(2 * x)"))
    nb, lab = nbformat.read(file, as_version=4), manifest(file.parent)
    needed = Outcome(nb, lab, Run()).needed()
    assert needed == [2, 4, 0]
    note, wrong, installs = lacking.lacking(nb, lab["files"], needed)
    assert installs == Finding("note", "cell 2 installs a package: grading installs nothing")
    assert (note.state, wrong.state) == ("note", "wrong")
    assert note.text.startswith("cell 1, line 2: grading has no google.colab; the other lines")
    assert wrong.text == "cell 1, line 3: grading has no pytest, and your functions use it"


@pytest.mark.parametrize("lab", sorted((ROOT / "solutions" / "notebooks").glob("0*/*.ipynb")))
def test_grading_has_whatever_a_lab_imports(lab: Path) -> None:
    nb = nbformat.read(lab, as_version=4)
    assert list(lacking.lacking(nb, manifest(lab.parent)["files"], range(len(nb.cells)))) == []


# --- nothing that could be packed -----------------------------------------------------------------


def spoil_json(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8")[:-50], encoding="utf-8")


def rename(file: Path) -> None:
    file.rename(file.with_name("mine.ipynb"))


BAD = [
    pytest.param(lambda file: None, ["02_other"], "there is no lab '02_other'", id="no such lab"),
    pytest.param(lambda file: None, ["../x"], "there is no lab", id="a path"),
    pytest.param(spoil_json, [LAB], "is no notebook", id="broken JSON"),
    pytest.param(lambda file: file.write_bytes(b""), [LAB], "is empty", id="empty"),
    pytest.param(lambda file: file.write_bytes(b"\xff\xfe"), [LAB], "is no notebook", id="binary"),
    pytest.param(lambda file: file.write_text("[]"), [LAB], "is no notebook", id="a list"),
    pytest.param(lambda file: file.write_text("{}"), [LAB], "is no notebook", id="an object"),
    pytest.param(rename, [LAB], "mine.ipynb is there: was it renamed", id="renamed"),
    pytest.param(lambda file: None, [LAB, "--name", "../ada"], "2", id="a name with a path"),
    pytest.param(lambda file: None, [LAB, "--name", "ada_01_x"], "2", id="a name as of a lab"),
    pytest.param(lambda file: None, [], "has no notebook: give the path", id="nothing here"),
    pytest.param(lambda file: None, ["x.ipynb"], "x.ipynb is missing", id="no such file"),
    pytest.param(
        lambda file: Path("a.ipynb").write_bytes(file.read_bytes()),
        ["a.ipynb"],
        "is not named as a lab",
        id="a copy under another name",
    ),
]


@pytest.mark.parametrize(("spoil", "arguments", "said"), BAD)
def test_bad_input_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture, spoil: Callable, arguments: list[str], said: str
) -> None:
    spoil(file)
    before = everything(Path())
    _, error = hand_in(capsys, *arguments)
    assert said in error
    assert everything(Path()) == before


def test_the_notebook_here_or_at_a_path_is_the_one_that_is_packed(
    file: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "labs" / LAB
    shutil.copytree(file.parent, elsewhere)
    change(elsewhere / file.name, lambda nb: nb.cells.append(new_code_cell("other = 1")))
    for here, meant, packed in (
        (file.parent, "", file),
        (file.parent, str(elsewhere / file.name), elsewhere / file.name),
        (file.parent, LAB, file),
        (tmp_path / "elsewhere", LAB, elsewhere / file.name),
        (tmp_path, str(file.parent), file),
    ):
        monkeypatch.chdir(here)
        assert submit.notebook_file(meant) == packed.resolve()
    (elsewhere / file.name).rename(elsewhere / "a.ipynb")
    monkeypatch.chdir(elsewhere)
    with pytest.raises(submit.NotReadyError, match="was it renamed"):
        submit.notebook_file("")


def test_where_nothing_can_be_written_it_says_so(
    file: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "handin")

    monkeypatch.setattr(Path, "mkdir", refused)
    _, error = hand_in(capsys, LAB, "--anyway")
    assert "handin cannot be written (Permission denied): copy the notebook into" in error


def test_an_exercise_whose_check_was_changed_does_not_count_as_done(file: Path) -> None:
    change(file, source("test_double", "pass"))
    nb = nbformat.read(file, as_version=4)
    every = Run(seconds=dict.fromkeys(range(len(nb.cells)), 0.1))
    outcome = Outcome(nb, manifest(file.parent), every)
    assert "not run  double (cell 1): its check was changed" in outcome.exercise("double").text
    assert outcome.exercise("triple").text.startswith("done")
