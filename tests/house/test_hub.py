"""The image and the values for a hub in a cluster: what they name is there."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from pruninglab.student.doctor import MEMORY
from solutions.builder import bundle
from tests.helpers.copies import ROOT

HUB = ROOT / "solutions" / "builder" / "hub"
DOCKERFILE = (HUB / "Dockerfile").read_text(encoding="utf-8")
VALUES = yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_image_installs_what_is_in_a_bundle() -> None:
    there = bundle.contents("01_structures")
    named = set(re.findall(r"[\w.]+\.txt", DOCKERFILE))
    assert named == {"requirements.lock.txt", "constraints.txt"}
    assert named <= there.keys()
    (extra,) = re.findall(r"'\.\[(\w+)\]'", DOCKERFILE)
    assert extra in PROJECT["optional-dependencies"]
    assert any(name.startswith("labs/01_structures/") for name in there)


METADATA = "Metadata-Version: 2.1\nName: tqdm\nVersion: 4.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.mark.parametrize("right", [True, False])
def test_what_the_image_installs_is_checked_against_the_hashes_of_the_lock(
    tmp_path: Path, right: bool
) -> None:
    """By the image's own command, with a package of two files in place of the course."""
    wheel = tmp_path / "tqdm-4.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in (("METADATA", METADATA), ("WHEEL", WHEEL), ("RECORD", "")):
            archive.writestr(f"tqdm-4.0.dist-info/{name}", text)
    digest = hashlib.sha256(wheel.read_bytes() if right else b"").hexdigest()
    (tmp_path / "requirements.lock.txt").write_text(f"tqdm==4.0 --hash=sha256:{digest}\n")
    (versions,) = re.findall(r"^ARG VERSIONS=(.*)$", DOCKERFILE, flags=re.M)
    (command,) = re.findall(r"&& (uv pip install .*?)'\.\[", DOCKERFILE, flags=re.S)
    here = f"--python {sys.executable} --target there --no-index --find-links ."
    done = subprocess.run(
        ["sh", "-c", command.replace("--system", here) + "tqdm"], cwd=tmp_path, text=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "VERSIONS": versions},
        capture_output=True,
    )  # fmt: skip
    assert (done.returncode == 0) == right, done.stderr
    assert ("Hash mismatch" in done.stderr) == (not right)


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


def test_the_limit_of_memory_holds_a_lab_and_jupyterlab() -> None:
    """As much as doctor wants to be free, for a kernel, and what JupyterLab's server takes."""
    server = 0.25e9
    assert float(VALUES["singleuser"]["memory"]["limit"].rstrip("G")) * 1e9 > MEMORY + server
