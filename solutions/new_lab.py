"""Begin a lab: `python -m solutions.new_lab 08_mine` (`make new-lab NAME=08_mine`).

It copies the sources of the lab "sample" under the new name, and enters the lab in `LABS` of
build.py. The copy builds, and passes the tests of every lab; then replace, piece by piece, its
exercise by yours.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from pathlib import Path

from solutions import build


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
    for other in build.LABS:
        if other.startswith(f"{number}_"):
            raise NameProblem(f"{lab}: number {number} belongs to {other}; take another one")
    if keyword.iskeyword(stem) or stem == "test":
        raise NameProblem(f"{lab}: {stem!r} means something else to Python or pytest")
    for path in (build.SOLUTIONS / lab, *sources(lab, stem)):
        if path.exists():
            raise NameProblem(f"{lab}: there is a {path.relative_to(build.ROOT)} already")
    return stem


def sources(lab: str, stem: str) -> dict[Path, str]:
    """Path of each source of the new lab -> its text, made of the sample's."""
    flat = {build.SOLUTIONS / f"{stem}{x}.py": x for x in ("", "_mistakes", "_hidden", "_lab")}
    suffixes = flat | {build.SOLUTIONS / lab / "probes.py": "_probes"}
    return {path: renamed(suffix, lab, stem) for path, suffix in suffixes.items()}


def renamed(suffix: str, lab: str, stem: str) -> str:
    """A source of the sample, with the number and the name of another lab."""
    text = (build.SOLUTIONS / f"sample{suffix}.py").read_text(encoding="utf-8")
    text = re.sub(r"\b([Ll]ab) 0\b", rf"\1 {int(lab[:2])}", text)
    for form in (str.lower, str.capitalize, str.upper):
        text = text.replace(form("sample"), form(stem))
    return text


def entered(code: str, lab: str, stem: str) -> str:
    """The text of build.py with one more line in `LABS`, in the order of the names.

    >>> print(entered('LABS = {  # ...\\n    "01_a": "a",\\n    "07_z": "z",\\n}\\n', "03_b", "b"))
    LABS = {  # ...
        "01_a": "a",
        "03_b": "b",
        "07_z": "z",
    }
    <BLANKLINE>
    """
    head, lines, tail = re.split(
        r"(?<=^LABS = \{)(.*?)(?=^\})", code, maxsplit=1, flags=re.M | re.S
    )
    first, *others = lines.splitlines(keepends=True)
    others = sorted([*others, f'    "{lab}": "{stem}",\n'])
    return "".join([head, first, *others, tail])


def begin(lab: str) -> list[Path]:
    """Write the sources of a new lab; returns their paths.

    Raises:
        NameProblem: see `stem_of`; then nothing is written.
    """
    stem = stem_of(lab)
    texts = sources(lab, stem)
    table = build.SOLUTIONS / "build.py"
    texts[table] = entered(table.read_text(encoding="utf-8"), lab, stem)
    (build.SOLUTIONS / lab).mkdir()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def main() -> None:
    """Command line."""
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
        f"  python -m solutions.build {lab}\n"
        f"  python -m pytest tests/test_labs.py -k {lab}"
    )


if __name__ == "__main__":
    main()
