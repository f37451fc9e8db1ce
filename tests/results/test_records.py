"""A record that was changed by hand or cut short is refused, with the place of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pruninglab.results import records
from tests.helpers.small import record

Fields = dict[str, Any]


def spoiled(name: str, value: Any) -> Callable[[Fields], None]:
    return lambda fields: fields.update({name: value})


def spoiled_point(name: str, value: Any) -> Callable[[Fields], None]:
    return lambda fields: fields["points"][-1].update({name: value})


BAD = [
    (spoiled("seed", "zero"), "Expected `int`, got `str` - at `$.seed`"),
    (spoiled("seed", 0.5), "Expected `int`, got `float` - at `$.seed`"),
    (spoiled("seed", True), "Expected `int`, got `bool` - at `$.seed`"),
    (spoiled("width", -16), "at `$.width`"),
    (spoiled("panels", "weights"), "Expected `array`, got `str` - at `$.panels`"),
    (spoiled("panels", [1]), "at `$.panels[0]`"),
    (spoiled("equal", "yes"), "at `$.equal`"),
    (spoiled("published", {"a": 1}), "at `$.published[...]`"),
    (spoiled("system", None), "at `$.system`"),
    (spoiled("machin", "a"), "machin"),
    (spoiled("points", None), "NoneType"),
    (spoiled("dense", 3), "dense|mapping"),
    (spoiled_point("val", 93.1), "Expected `float` <= 1.0 - at `$.points[1].val`"),
    (spoiled_point("test", "0.9"), "at `$.points[1].test`"),
    (spoiled_point("sparsity", float("nan")), "at `$.points[1].sparsity`"),
    (spoiled_point("macs", None), "at `$.points[1].macs`"),
    (spoiled_point("stored", {"gzip": 0.5}), "at `$.points[1].stored[...]`"),
    (spoiled_point("tset", 0.5), "tset"),
]


@pytest.mark.parametrize(("spoil", "said"), BAD)
def test_a_value_that_no_record_can_hold_is_named(
    tmp_path: Path, spoil: Callable[[Fields], None], said: str
) -> None:
    fields = asdict(record())
    spoil(fields)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=r"x\.json is not a record of results: ") as caught:
        records.load(path)
    assert any(part in str(caught.value) for part in said.split("|")), caught.value


def test_the_records_that_ship_are_read_as_they_were_written() -> None:
    files = sorted(records.FOLDER.glob("*.json"))
    assert len(files) > 50
    for path in files:
        assert json.loads(path.read_text()) == asdict(records.load(path)), path
