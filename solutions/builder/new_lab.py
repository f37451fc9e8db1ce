"""Begin a lab: `make new-lab NAME=08_mine`.

It copies solutions/lab0_sample under the new name, here solutions/lab8_mine. The copy builds, and
passes the tests of every lab; then replace, piece by piece, its exercise by yours.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from pathlib import Path

from pruninglab.terminal import accept_any_text
from solutions.builder import build


class NameProblem(ValueError):
    """No lab can begin under this name; the message says why. Nothing was written."""


def stem_of(lab: str) -> str:
    """The name of a new lab's modules.

    Raises:
        NameProblem: the name is none for a lab, or taken.

    >>> stem_of("98_mine")
    'mine'
    """
    if not re.fullmatch(r"[0-9]{2}_[a-z]+", lab):
        form = "two digits, an underscore and lower-case letters, e.g. 08_mine"
        raise NameProblem(f"{lab!r} is no name for a lab: it takes {form}")
    number, stem = lab.split("_")
    for other in ("00_sample", *build.LABS):
        if other.startswith(f"{number}_"):
            raise NameProblem(f"{lab}: number {number} belongs to {other}; take another one")
    for other in build.LABS:
        if other.partition("_")[2] == stem:
            raise NameProblem(f"{lab}: {other} has the name {stem!r}; take another one")
    if keyword.iskeyword(stem) or stem == "test":
        raise NameProblem(f"{lab}: {stem!r} means something else to Python or pytest")
    for path in (folder_of(lab), build.NOTEBOOKS / lab, build.package(lab)):
        if path.exists():
            raise NameProblem(f"{lab}: there is a {path.relative_to(build.ROOT)} already")
    return stem


def folder_of(lab: str) -> Path:
    """Where the sources of a lab are.

    >>> folder_of("08_mine").name
    'lab8_mine'
    """
    number, stem = lab.split("_")
    return build.SOLUTIONS / f"lab{int(number)}_{stem}"


def renamed(text: str, lab: str) -> str:
    """A source of the sample, with the number and the name of another lab."""
    number, stem = lab.split("_")
    text = re.sub(r"\b([Ll]ab) 0\b", rf"\1 {int(number)}", text)
    text = text.replace("lab0_", f"lab{int(number)}_")
    for form in (str.lower, str.capitalize, str.upper):
        text = text.replace(form("sample"), form(stem))
    return text


def begin(lab: str) -> list[Path]:
    """Write the sources of a new lab; returns their paths.

    Raises:
        NameProblem: see `stem_of`; then nothing is written.
    """
    stem_of(lab)
    folder = folder_of(lab)
    folder.mkdir()
    written = []
    for sample in sorted((build.SOLUTIONS / "lab0_sample").glob("*.py")):
        written.append(folder / sample.name)
        written[-1].write_text(renamed(sample.read_text(encoding="utf-8"), lab), encoding="utf-8")
    return written


def main() -> None:
    """Command line."""
    accept_any_text()
    parser = argparse.ArgumentParser(
        description="Begin a lab, as a copy of a small one that works."
    )
    parser.add_argument("lab", metavar="NAME", help="e.g. 08_mine")
    lab = parser.parse_args().lab
    try:
        written = begin(lab)
    except NameProblem as error:
        sys.exit(f"error: {error}")
    for path in written:
        print(path.relative_to(build.ROOT))
    print(
        "\nChange them one by one; CONTRIBUTING.md says what each holds. In between:\n"
        f"  python -m solutions.builder.build {lab}\n"
        f"  python -m pytest tests/labs/test_labs.py -k {lab}"
    )


if __name__ == "__main__":
    main()
