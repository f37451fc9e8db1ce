"""The machinery of the checks, on an exercise small enough to follow by hand."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import torch

from pruninglab.checks.lab import (
    NOTHING,
    Lab,
    NotReady,
    Probe,
    WrongAnswer,
    draw,
    general_hint,
    place_to_look,
)
from pruninglab.checks.message import LINES, wrong_answer
from pruninglab.checks.relation import relation
from pruninglab.checks.unchanged import HINT
from pruninglab.values import WIDTH, brief, decode, differences, encode, same

mpl.use("Agg")


def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def triple(x: torch.Tensor) -> torch.Tensor:
    return 3 * x


PROBES = [
    Probe("two numbers", lambda: {"x": torch.tensor([1.0, 2.0])}),
    Probe("one number", lambda: {"x": torch.tensor([3.0])}),
]


@pytest.fixture
def check(tmp_path: Path) -> Lab:
    def seen(function: Callable) -> list:
        return [encode(probe.observe(function)) for probe in PROBES]

    known = [{"hint": "That is three times as much.", "seen": seen(triple)}]
    table = {"double": {"expected": seen(double), "mistakes": known}}
    (tmp_path / "expected.json").write_text(json.dumps(table))
    return Lab(str(tmp_path / "probes.py"), {"double": PROBES})


def refusal(check: Lab, function: Callable) -> str:
    with pytest.raises(WrongAnswer) as refused:
        check(function, "double")
    return str(refused.value)


def test_a_right_answer_is_told_so(check: Lab, capsys: pytest.CaptureFixture) -> None:
    check(double)
    assert capsys.readouterr().out == "✔ double: 2 of 2 checks passed\n"


def test_a_wrong_answer_shows_input_expected_got_and_the_likely_mistake(check: Lab) -> None:
    text = refusal(check, triple)
    for part in ("0 of 2 checks", "two numbers", "[1.0, 2.0]", "[2.0, 4.0]", "[3.0, 6.0]"):
        assert part in text
    assert text.endswith("Likely: That is three times as much.")


def test_nothing_is_no_forgotten_return_where_none_is_an_answer() -> None:
    nothing, ones = {"result": None}, {"result": torch.ones(2)}
    assert general_hint(nothing, ones, [ones]) == NOTHING
    assert general_hint(nothing, ones, [ones, {"result": None}]) is None


def test_only_what_has_changed_is_called_changed() -> None:
    right = {"result": 1, "training afterwards": False}
    assert general_hint({"result": 2, "training afterwards": False}, right, [right]) is None
    for changed in ({"training afterwards": True}, {"x afterwards": ["has other values"]}):
        assert general_hint(right | changed, right, [right]) == HINT


def test_an_unknown_mistake_without_a_pattern_gets_no_hint(check: Lab) -> None:
    assert "Likely" not in refusal(check, lambda x: x + torch.arange(len(x)) ** 3)


def test_of_an_unknown_mistake_it_says_what_the_numbers_have_in_common(check: Lab) -> None:
    said = refusal(check, lambda x: x)
    assert said.endswith("Likely: Your values are the right ones times 0.5.")


def test_an_unknown_mistake_is_sent_to_the_cause_of_the_first_miss(check: Lab) -> None:
    """In words, or by what it saw; an error on the very first probe says more than a cause."""
    first, second = check.probes["double"]
    check.probes = {"double": [first, replace(second, cause="Look at negative numbers.")]}
    wrong = lambda x: 2 * x if x[0] == 1 else x**3  # noqa: E731
    assert "Likely: Look at negative numbers." in refusal(check, wrong)
    check.probes = {"double": [first, replace(second, cause=lambda got, _: f"{len(got)} value.")]}
    assert "Likely: 1 value." in refusal(check, wrong)
    failing_on_the_second = lambda x: 2 * x if x[0] == 1 else x[7]  # noqa: E731
    assert "Likely" not in refusal(check, failing_on_the_second), "a cause needs values to look at"
    check.probes = {"double": [first, replace(second, cause=lambda got, _: got["no"])]}
    assert "Likely" not in refusal(check, wrong), "an answer may be anything"
    check.probes = {"double": [replace(first, cause="Look."), replace(second, cause="Here.")]}
    assert "Likely: Here." in refusal(check, failing_on_the_second)
    assert "\nLikely" not in refusal(check, lambda x: x[7])


RIGHT = torch.tensor([0.5, -2.0, 4.0])


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        (3 * RIGHT, RIGHT, "times 3."),
        (RIGHT + 0.25, RIGHT, "plus 0.25."),
        (-RIGHT, RIGHT, "with the other sign."),
        (RIGHT.abs(), RIGHT, "without their sign."),
        (RIGHT**2, RIGHT, "the squares of"),
        (1 / RIGHT, RIGHT, "1 divided by"),
        (1 - RIGHT, RIGHT, "1 minus"),
        (RIGHT.flip(0), RIGHT, "their order is not"),
        (0 * RIGHT, RIGHT, "all 0"),
        (RIGHT * (1 + torch.tensor([1e-3, -1e-3, 1e-3])), RIGHT, "nearly right"),
        (RIGHT < 0, RIGHT > 0, "True and False are exchanged"),
        (RIGHT == 4, RIGHT == 0.5, "As many are True as should be, but other ones"),
        ([0.2, 0.1], [0.1, 0.2], "their order is not"),
        ({"a": [1.0, 2.0], "b": 3.0}, {"a": [2.0, 4.0], "b": 3.0}, "times 0.5"),
    ],
)
def test_what_turns_the_right_values_into_those_that_came(
    wrong: Any, right: Any, said: str
) -> None:
    assert said in relation([({"x": wrong}, {"x": right})])


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (torch.tensor([1.0, 5.0]), torch.tensor([1.0, 3.0])),
        (torch.tensor([2.0]), torch.tensor([1.0])),  # one number tells too little
        (torch.ones(2) * 2, torch.ones(2)),  # and so does the same one twice
        (RIGHT[:2], RIGHT),
        (RIGHT > 0, RIGHT),
        (torch.tensor([math.nan, 1.0, 2.0]), RIGHT),
        (2.0, torch.tensor(2.0)),
        (torch.tensor([True]), torch.tensor([False])),
        ([RIGHT > 0, 2 * RIGHT], [RIGHT < 0, RIGHT]),  # a mask and numbers
        (RIGHT + 0j, RIGHT),
        (True, False),
        ("text", "other"),
        (None, RIGHT),
    ],
)
def test_no_pattern_is_made_up(wrong: Any, right: Any) -> None:
    assert relation([({"x": wrong}, {"x": right})]) == ""


def test_no_answer_is_too_odd_for_a_hint(check: Lab) -> None:
    """A number beyond all tensors, a list in a list, a set of words."""
    for odd in (10**30, [10**30, 1], [[1.0], [2.0, [3.0]]], {"a"}, float("nan")):
        assert "0 of 2 checks" in refusal(check, lambda x, odd=odd: odd)
    right = torch.tensor([2.0, 4.0])
    probes = [replace(probe, cause="Look.") for probe in check.probes["double"]]
    seen, expected = [{"result": [10**30, 1]}], [{"result": [2, 4]}]
    assert place_to_look(probes, [0], seen, expected) == "Look.", "no pattern, but a place"
    assert place_to_look(probes, [0], [{"result": right / 2}], [{"result": right}]).startswith(
        "Look. Y"
    )


def test_a_pattern_holds_for_all_probes_that_are_missed() -> None:
    half = ({"x": RIGHT / 2}, {"x": RIGHT})
    third = ({"x": RIGHT / 3}, {"x": RIGHT})
    other = ({"y": 1, "x": RIGHT}, {"y": 2, "x": RIGHT})
    error = ({"error": "ValueError", "message": "no"}, {"x": RIGHT})
    assert "times 0.5" in relation([half, half, other, error])
    assert relation([half, third]) == ""
    assert relation([error, half]) == "", "the first one is what is shown"


def test_an_exception_is_reported_with_its_message(check: Lab) -> None:
    def broken(x: torch.Tensor) -> torch.Tensor:
        raise IndexError(f"no {len(x)}")

    text = refusal(check, broken)
    assert "IndexError" in text
    assert "no 2" in text


def test_a_forgotten_return_is_named(check: Lab) -> None:
    """By a probe that shows the result as it is, and by one that looks inside."""
    assert NOTHING in refusal(check, lambda x: None)
    probe = Probe("a number", lambda: {"x": 1}, lambda result, _: {"first": result[0]})
    assert probe.observe(lambda x: None)["message"] == NOTHING
    assert probe.observe(lambda x: 1)["message"] == "'int' object is not subscriptable"
    in_place = Probe("x", lambda: {"x": 1}, lambda _, given: {"x": given["y"]}, changes_inputs=True)
    assert in_place.observe(lambda x: None)["message"] == "'y'", "it is to give back nothing"


def not_written(x: torch.Tensor) -> torch.Tensor:
    raise NotImplementedError("write your solution here, in place of this line")


def test_an_exercise_that_is_not_written_is_told_so(check: Lab) -> None:
    assert refusal(check, not_written) == (
        "double: not written yet. Replace the last line by yours."
    )


@pytest.mark.parametrize(
    "attempt", [lambda x: -(x > 0), lambda x: (x > 0) - (x > 1), lambda x: x.long().mean()]
)
def test_what_torch_has_not_implemented_is_an_error_of_the_answer(
    check: Lab, attempt: Callable
) -> None:
    text = refusal(check, attempt)
    assert "not written yet" not in text
    assert "NotImplementedError" in text
    assert "bool tensor" in text or "Got: Long" in text, "torch's own words"


def test_changing_the_input_is_wrong(check: Lab) -> None:
    text = refusal(check, lambda x: x.mul_(2))
    assert "x: your function has changed it, and the task asks to leave it as it was" in text


def test_an_array_of_numpy_is_named(check: Lab) -> None:
    assert "make it a tensor with torch.from_numpy" in refusal(check, lambda x: (2 * x).numpy())
    assert same(decode(encode((2 * torch.ones(1)).numpy()[0])), 2.0), "but its numbers are numbers"


def test_the_first_tensor_that_differs_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr("pruninglab.plots.side_by_side", lambda *what: drawn.append(what[2]))
    right = {"a": {"x": torch.ones(2)}, "b": {"y": torch.ones(2), "z": torch.ones(2)}}
    draw({"a": {"x": torch.ones(2)}, "b": {"y": torch.ones(2), "z": torch.zeros(2)}}, right)
    assert drawn == ["z"]


@pytest.mark.parametrize("wrong", [None, "text", 2, [1], {}, torch.ones(2, 1), lambda: 0])
def test_anything_may_come_back(check: Lab, wrong: object) -> None:
    assert "0 of 2 checks" in refusal(check, lambda x: wrong)


def test_an_always_equal_object_does_not_pass(check: Lab) -> None:
    class Equal:
        __eq__ = lambda self, other: True  # noqa: E731
        __hash__ = None  # type: ignore[assignment]

    refusal(check, lambda x: Equal())


def test_a_name_without_probes_lists_the_exercises(check: Lab) -> None:
    with pytest.raises(WrongAnswer, match=r"no exercise 'triple'.*The exercises are double\."):
        check(triple)


# --- whatever the function is made of -------------------------------------------------------------


class Doubler:
    """An object that can be called has no `__name__`."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def timed(function: Callable, wraps: bool = False) -> Callable:
    def inner(**given: object) -> object:
        return function(**given)

    return functools.wraps(function)(inner) if wraps else inner


def times(x: torch.Tensor, factor: int) -> torch.Tensor:
    return factor * x


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: 2 * x,
        Doubler(),
        functools.partial(times, factor=2),
        timed(double),
        timed(double, wraps=True),
        torch.nn.ReLU(),
    ],
    ids=["lambda", "object", "partial", "decorated", "decorated with wraps", "module"],
)
def test_the_notebooks_name_for_a_function_counts(
    check: Lab, capsys: pytest.CaptureFixture, answer: Callable
) -> None:
    """As `double = ...` in one cell and `check(double)` in the next."""
    scope = {"check": check, "double": answer}
    if isinstance(answer, torch.nn.Module):
        with pytest.raises(WrongAnswer, match="0 of 2 checks passed"):
            exec("check(double)", scope)
        return
    exec("check(double)", scope)
    assert capsys.readouterr().out == "✔ double: 2 of 2 checks passed\n"


def test_a_function_wrapped_on_the_spot_is_known_by_what_it_wraps(check: Lab) -> None:
    check(timed(double, wraps=True))
    check(functools.partial(double))
    with pytest.raises(WrongAnswer, match=r"say which one it is: check\(\.\.\., \"double\"\)"):
        check(lambda x: 2 * x)


@pytest.mark.parametrize("thing", [None, 3, torch.ones(2), "double"])
def test_what_is_no_function_is_told_to_come_without_brackets(check: Lab, thing: Any) -> None:
    with pytest.raises(WrongAnswer, match=f"not a {type(thing).__name__}: .*no brackets"):
        check(thing)


# --- whose error it is ----------------------------------------------------------------------------


def notebook(check: Lab, cells: str) -> str:
    """Run cells that end in a check; returns what it says."""
    with pytest.raises(WrongAnswer) as refused:
        exec(cells, {"check": check, "torch": torch})
    return str(refused.value)


@pytest.fixture
def two(check: Lab) -> Lab:
    """Another exercise, `half`, which comes earlier in the lab; `double` may call it."""
    check.probes = {"half": PROBES, **check.probes}
    cells = [
        {"name": "half", "kind": "solution", "heading": "Exercise 1 · Halves"},
        {"name": "double", "kind": "solution", "heading": "Exercise 2 · Twice"},
    ]
    check.data.with_name("manifest.json").write_text(json.dumps({"cells": cells}))
    return check


def test_a_missing_helper_is_named_with_the_cell_that_makes_it(two: Lab) -> None:
    said = notebook(two, "def double(x):\n    return 4 * half(x)\ncheck(double)")
    wanted = '`half` is not defined: you write it in "Exercise 1 · Halves": run that cell first'
    assert f"NameError: {wanted}" in " ".join(said.split())


def test_a_missing_name_of_the_lab_sends_to_the_cells_above(two: Lab) -> None:
    said = " ".join(notebook(two, "double = lambda x: nn.ReLU()(x)\ncheck(double)").split())
    assert "`nn` is not defined: if the lab gives it, run the cells above this one" in said


def test_a_local_variable_is_not_taken_for_a_missing_cell(two: Lab) -> None:
    said = notebook(two, "def double(x):\n    y = y + x\n    return y\ncheck(double)")
    assert "cannot access local variable 'y'" in said
    assert "run the cell" not in said


def test_an_error_in_another_exercise_is_named_as_its_error(two: Lab) -> None:
    cells = (
        "def half(x):\n    return x / [2]\ndef double(x):\n    return 4 * half(x)\ncheck(double)"
    )
    said = " ".join(notebook(two, cells).split())
    assert "TypeError: unsupported operand" in said
    assert "This is in your half, which double calls: check that one first." in said


def test_another_exercise_that_is_not_written_is_named(two: Lab) -> None:
    cells = "def half(x):\n    raise NotImplementedError\ndouble = lambda x: half(x)\ncheck(double)"
    assert notebook(two, cells) == (
        "double: it calls half, which is not written yet. Write that one first."
    )
    own = "def half(x):\n    raise NotImplementedError\ncheck(half)"
    two.data.write_text(json.dumps({"half": {"expected": [], "mistakes": []}}))
    assert notebook(two, own) == "half: not written yet. Replace the last line by yours."


def failing(x: torch.Tensor) -> torch.Tensor:
    return x[..., None] @ torch.ones(3, 7)


def test_an_error_comes_with_the_line_that_made_it(check: Lab) -> None:
    said = " ".join(refusal(check, failing).split())
    assert "your function raised RuntimeError: mm: mat1 and mat2" in said
    assert "(in failing: `return x[..., None] @ torch.ones(3, 7)`)" in said


# --- files that are missing -----------------------------------------------------------------------


def test_files_that_are_missing_or_damaged_get_a_sentence(check: Lab) -> None:
    check.data.write_text("{}")
    with pytest.raises(NotReady, match=r"expected\.json is damaged or of another version"):
        check(double)
    check.data.write_bytes(b"\xff\xfe{")
    with pytest.raises(NotReady, match=r"expected\.json is damaged"):
        check(double)
    check.data.unlink()
    with pytest.raises(
        NotReady, match=r"expected\.json is missing in .*: install the package"
    ) as said:
        check(double)
    (line,) = said.value._render_traceback_()
    assert "expected.json is missing" in line, "a sentence in a notebook, too"
    check.data.mkdir()
    with pytest.raises(NotReady, match=r"expected\.json cannot be read \(Is a directory\)"):
        check(double)


def test_the_message_comes_without_a_traceback(check: Lab) -> None:
    with pytest.raises(WrongAnswer) as refused:
        check(triple, "double")
    (line,) = refused.value._render_traceback_()
    assert "double: 0 of 2" in line
    assert "Traceback" not in line


VALUES = [
    torch.tensor([True, False]),
    torch.tensor([[1.5, float("inf")]], dtype=torch.float64),
    {"a": [1, None, "x"], "b": {"c": True}},
    3.25,
]


@pytest.mark.parametrize("value", VALUES)
def test_values_survive_json(value: object) -> None:
    assert same(decode(json.loads(json.dumps(encode(value)))), value)


def test_an_error_is_known_by_its_kind_whatever_its_words() -> None:
    error = {"error": "ValueError", "message": "no"}
    assert same(error, {**error, "message": "No!"})
    assert not same(error, {**error, "error": "TypeError"})


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.ones(2), torch.ones(2, dtype=torch.bool)),
        (torch.ones(1, 2), torch.ones(2)),
        (True, 1),
        (1.0, 1.001),
        ({"a": 1}, {"b": 1}),
        ({"a": 1, "b": 1}, {"b": 1, "a": 1}),
        ([1], [1, 1]),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.001])),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, float("nan")])),
        (272_474, 272_475),
        (torch.tensor([272_474]), torch.tensor([272_475])),
        (None, 0),
    ],
)
def test_what_differs(a: object, b: object) -> None:
    assert not same(a, b)


def test_whole_numbers_are_shown_as_such() -> None:
    assert brief(torch.tensor([[0, 3]])) == "[[0, 3]]  (int64, shape (1, 2))"
    assert brief([torch.ones(50), "a"]) == "[tensor of shape (50,), float32, 'a']"
    assert brief(torch.tensor([0.123456])) == "[0.1235]  (float32, shape (1,))"


# --- the text of a message ------------------------------------------------------------------------


def says(got: Any, expected: Any) -> list[str]:
    """Where and how two values differ."""
    found = differences(decode(encode(got)), decode(encode(expected)), "result")
    return [f"{difference.where}: {difference.what}" for difference in found]


def test_the_difference_is_named_by_its_place() -> None:
    a = {"x": torch.tensor([1.0, 2.0, 3.0]), "y": [1, {"z": True}], "w": 0.5}
    b = {"x": torch.tensor([1.0, 2.5, 3.5]), "y": [1, {"z": False}], "w": 0.5}
    assert says(a, b) == [
        "result['x']: 2 of 3 values differ, the first at [1]: expected 2.5, got 2",
        "result['y'][1]['z']: expected False, got True",
    ]


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        (torch.ones(2, 3), torch.ones(3, 2), "expected shape (3, 2), got (2, 3)"),
        (torch.ones(2), torch.ones(2).bool(), "expected bool values, got float32"),
        (torch.ones(2) + 0j, torch.ones(2), "expected float32 values, got complex64"),
        (torch.tensor(1.0), torch.tensor(1.001), "expected 1.001, got 1"),
        (torch.tensor([1 + 1j]), torch.tensor([1j]), "1 of 1 values differ, the first at [0]: "
         "expected 1j, got (1+1j)"),
        ({"b": 1, "a": 1}, {"a": 1, "b": 1}, "expected in the order a, b"),
        ({"a": 1, "c": 1}, {"a": 1, "b": 1}, "b missing; c not expected"),
        ([1], [1, 2], "expected [1, 2], got [1]"),
        (None, 3, "expected 3, got None"),
        (torch.nn.Sequential(torch.nn.Linear(2, 1)), torch.nn.Sequential(torch.nn.Linear(3, 1)),
         "expected (0): Linear(in_features=3, out_features=1, bias=True), "
         "got (0): Linear(in_features=2, out_features=1, bias=True)"),
    ],
)  # fmt: skip
def test_what_differs_is_said_in_a_phrase(got: Any, expected: Any, said: str) -> None:
    assert says(got, expected) == [f"result: {said}"]


def test_networks_are_shown_by_their_class_and_shapes() -> None:
    net = decode(encode(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())))
    assert brief(net) == "Sequential with 0.weight (8, 3, 3, 3), 0.bias (8,)"
    assert "\n" not in brief({"a": [net, net]})
    other = {**net, "0.bias": net["0.bias"] + 1}
    assert says(other, net) == [
        f"result['0.bias']: 8 of 8 values differ, the first at [0]: expected "
        f"{net['0.bias'][0]:.7g}, got {net['0.bias'][0] + 1:.7g}"
    ]


@pytest.mark.parametrize("size", [3, 40, 41, 10_000])
def test_a_message_is_never_longer_than_fifteen_lines(size: int) -> None:
    net = decode(encode(torch.nn.Sequential(*(torch.nn.Linear(9, 9) for _ in range(30)))))
    given = {f"argument_{i}": torch.arange(size) * 1e6 for i in range(20)} | {"net": net}
    right = {f"part {i}": torch.zeros(size) for i in range(30)}
    wrong = {f"part {i}": torch.ones(size) for i in range(29)} | {"net": net}
    said = wrong_answer("double: 0 of 1.", wrong, right, given, "Look again.").splitlines()
    assert len(said) == LINES
    assert said[-1] == "Likely: Look again."
    assert all(len(line) <= WIDTH + 40 for line in said), "a name, and its value"
    assert any("and 27 more" in line for line in said), "29 tensors and the names differ"


def test_torchs_long_errors_are_wrapped(check: Lab) -> None:
    def broken(x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("a word or two\n" * 500)

    said = refusal(check, broken).splitlines()
    assert len(said) <= LINES
    assert max(map(len, said)) <= WIDTH


def test_what_has_no_values_to_compare_is_named(check: Lab) -> None:
    assert "on the meta device" in refusal(check, lambda x: x.to("meta"))
    assert "make it an ordinary one with to_dense()" in refusal(check, lambda x: x.to_sparse())
