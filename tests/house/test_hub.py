"""The image and the values for a hub in a cluster: what they name is there."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from solutions.builder import bundle
from tests.helpers.copies import ROOT

HUB = ROOT / "solutions" / "builder" / "hub"
DOCKERFILE = (HUB / "Dockerfile").read_text(encoding="utf-8")
VALUES = yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_image_installs_what_is_in_a_bundle() -> None:
    there = bundle.contents("01_structures")
    for name in re.findall(r"--(?:constraint|requirement) (\S+)", DOCKERFILE):
        assert name in there
    (extra,) = re.findall(r"'\.\[(\w+)\]'", DOCKERFILE)
    assert extra in PROJECT["optional-dependencies"]
    assert any(name.startswith("labs/01_structures/") for name in there)


def test_image_and_values_name_one_version_home_and_folder_of_labs() -> None:
    assert VALUES["singleuser"]["image"]["tag"] == PROJECT["version"]
    assert f"pruninglab:{PROJECT['version']} " in DOCKERFILE
    home = VALUES["singleuser"]["storage"]["homeMountPath"]
    assert f"WORKDIR {home}\n" in DOCKERFILE
    *_, labs, target = VALUES["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    assert labs == re.findall(r"WORKDIR (\S+)", DOCKERFILE)[0] + "/labs"
    assert target == f"{home}/"


def test_the_exchange_is_where_the_guide_puts_it() -> None:
    (mount,) = VALUES["singleuser"]["storage"]["extraVolumeMounts"]
    guide = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    assert f'c.Exchange.root = "{mount["mountPath"]}/exchange"' in guide


@pytest.mark.parametrize("kind", ["cpu", "memory"])
def test_a_limit_is_above_its_guarantee(kind: str) -> None:
    numbers = {k: float(str(v).rstrip("G")) for k, v in VALUES["singleuser"][kind].items()}
    assert numbers["guarantee"] < numbers["limit"]
