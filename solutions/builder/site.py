"""The course as a website, in build/site: `python -m solutions.builder.site` (`make site`).

Made by Sphinx from what is there already: README, the released labs (no answer is in them), the
results with their figures, the guides. The pages need no network and follow the reader's choice of
light or dark. Only what `pages` names is copied, so no source of a lab can end up on the site.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

from pruninglab.terminal import accept_any_text
from solutions.builder import build

SITE = build.ROOT / "build" / "site"
TABLES = "pruninglab/assets/results"
RESULTS = ("RESULTS.md", f"{TABLES}/points.md", f"{TABLES}/published.md")
GUIDES = ("INSTRUCTORS.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md")
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)#]+)\)")
SETTINGS = {
    "project": "pruninglab",
    "extensions": ["myst_nb"],
    "html_theme": "furo",
    "html_title": "pruninglab: pruning neural networks",
    "html_show_sourcelink": False,
    "html_copy_source": False,
    "nb_execution_mode": "off",  # labs are shown as students get them
    "myst_heading_anchors": 3,
    # Links to sources stay words: what they name is in the repository, not on the site.
    "suppress_warnings": ["myst.xref_missing", "myst.header"],
}


def pages() -> list[str]:
    """What is on the site beside the first page, in its order: paths in the repository."""
    return [*(f"labs/{lab}/{lab}.ipynb" for lab in build.LABS), *RESULTS, *GUIDES]


def collect(into: Path) -> None:
    """Copy the pages and their pictures; README becomes the first page, with all contents."""
    for page in ("README.md", *pages()):
        target = into / page.replace("README", "index")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(build.ROOT / page, target)
        if page.endswith(".md"):
            for picture in PICTURE.findall(target.read_text(encoding="utf-8")):
                copy = target.parent / picture
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile((build.ROOT / page).parent / picture, copy)
    with (into / "index.md").open("a", encoding="utf-8") as first:
        first.write(contents("Labs", pages()[: len(build.LABS)]))
        first.write(contents("Results", RESULTS) + contents("Guides", GUIDES))


def contents(caption: str, of: list[str] | tuple[str, ...]) -> str:
    """A part of the table of contents, in the words of MyST."""
    inside = "\n".join(page.rsplit(".", 1)[0] for page in of)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{inside}\n```\n"


def make(into: Path = SITE) -> None:
    """Make the site; what was there before goes.

    Args:
        into: the pages come into its folder html/.

    Raises:
        RuntimeError: Sphinx had a warning; what it says is on the terminal.
    """
    shutil.rmtree(into, ignore_errors=True)
    source = into / "source"
    collect(source)
    app = Sphinx(
        source, None, into / "html", into / "doctrees", "html", SETTINGS, status=None,
        warning=sys.stderr,
    )  # fmt: skip
    app.build()
    if app.statuscode or app._warncount:
        raise RuntimeError(f"{app._warncount} warnings; see above")


def main() -> None:
    """Make the site and say where it is."""
    accept_any_text()
    make()
    print(f"open {SITE / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
