"""The words of the labs: `assets/glossary.md`, shown in a notebook."""

from __future__ import annotations

from importlib import resources

from IPython.display import Markdown


def entries() -> dict[str, str]:
    """Read the glossary: word -> what it means, in the order of the file.

    >>> entries()["density"]
    'The kept share: 1 - sparsity.'
    """
    file = resources.files("pruninglab") / "assets" / "glossary.md"
    rows = [line.strip("| ").split(" | ", 1) for line in file.read_text("utf-8").splitlines()]
    words = {row[0]: row[1] for row in rows if len(row) == 2 and not row[0].startswith(":")}
    return {word: meaning for word, meaning in words.items() if word != "word"}


def glossary(*words: str) -> Markdown:
    """Show some words with their meanings; without any, the whole glossary, folded.

    Raises:
        KeyError: a word without an entry; it lists the words that there are.

    >>> print(glossary("mask", "density").data)
    | word | meaning |
    |:--|:--|
    | mask | A bool tensor of a weight's shape: True = keep. |
    | density | The kept share: 1 - sparsity. |
    """
    known = entries()
    if unknown := [word for word in words if word not in known]:
        raise KeyError(f"{', '.join(unknown)}: not in the glossary. It has {', '.join(known)}")
    rows = [f"| {word} | {known[word]} |" for word in words or known]
    table = "\n".join(["| word | meaning |", "|:--|:--|", *rows])
    if words:
        return Markdown(table)
    folded = f"<details><summary>Glossary: {len(known)} words</summary>\n\n{table}\n\n</details>"
    return Markdown(folded)
