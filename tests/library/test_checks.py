"""The machinery of the checks, on an exercise small enough to follow by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pytest
import torch

from pruninglab.checks.lab import NOTHING, Lab, Probe, WrongAnswer, draw
from pruninglab.values import brief, decode, encode, same

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


def test_an_unknown_mistake_gets_no_hint(check: Lab) -> None:
    assert "Likely" not in refusal(check, lambda x: x)


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
    assert "x afterwards" in text


def test_an_array_of_numpy_is_named(check: Lab) -> None:
    assert "cannot look inside a ndarray" in refusal(check, lambda x: (2 * x).numpy())
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
    with pytest.raises(WrongAnswer, match="'triple': double"):
        check(triple)


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
    assert brief([torch.ones(50), "a"]) == "[tensor of shape (50,), torch.float32, 'a']"
    assert brief(torch.tensor([0.123456])) == "[0.1235]  (float32, shape (1,))"
