"""Whose a file is: what each learning platform writes into names, and the ids made of them.

The path of a file in what the instructor downloaded says it, from the top; what a student has named
so inside a zip or folder of their own says nothing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from pruninglab.grading.intake.read import legible

# Moodle's mark behind a name and a number; then "_", or "/" from 4.1 on. Students can write it into
# their own names or files: of several in one name the last counts (`[^/]+` takes all it can).
MARK = r"_assignsubmission_[a-z]+"

# Behind a user's name in Blackboard.
ATTEMPT = r"_attempt_\d{4}(?:-\d\d){5}"

# What Google puts before the name of a copy, in some languages.
COPY = r"(?:Copy\ of|Kopie\ von|Copie\ de|Copia\ de|Cópia\ de|Copia\ di|Kopie\ van)"
COPIED = rf"(?:[_\ -]+{COPY})?"

# Where Gradescope's export has its submissions; the name is there twice in a zip of its folder.
EXPORT = r"(?:submissions(?:[ -]?\(?\d+\)?)?/)?(?:assignment_\d+_export(?:\ ?\(\d+\))?/){1,2}"

# ILIAS's folder of a student: Lovelace_Ada_ada12_4711. Nothing in the name above it says that this
# is the zip of a class, so a zip that is named as one student's is taken for that.
ILIAS = r"(?:[^/_]+_){3,6}\d+/"
OF_ANY_NAME = r"(?![^/]*[_\ -]\1(?![a-zA-Z0-9]))(?!multi_feedback)[^/]+/"

# The zip or folder with the hand-ins of a whole class, and what comes next in it: without that it
# is a folder of one student's.
CLASS = rf"""
    (?![^/]*{MARK}[_/])[^/]+-\d+(?:\ ?\(\d+\))?/(?=[^/]+_\d+{MARK}[_/])   # Moodle: Course-Lab-77
  | submissions(?:[\ -]?\(?\d+\)?)?/(?=[^/_]+(?:_LATE)?_\w+_\d{{3,}}_)    # Canvas
  | {EXPORT}(?=submission_\d+/)                                           # Gradescope
  | [^/]+\ Download\ [^/]+/(?=\d+-\d+\ -\ )                               # Brightspace
  | [^/]+-\d{{8}}T\d{{6}}Z[-\d]*/(?:[^/]+/)?(?=[^/]+\ -\ [^/]+$)          # Google Drive
  | gradebook_[^/]+/[^/]*?_(?=[^/_]+{ATTEMPT})                            # Blackboard: its title
  | multi_feedback[^/]*/(?:Team[^/]*/)?(?={ILIAS})                        # ILIAS
  | {OF_ANY_NAME}(?:[^/]+/)?(?:Abgaben|Submissions)/(?:Team[^/]*/)?(?={ILIAS})
  | {OF_ANY_NAME}(?:[^/]+/)?(?={ILIAS}\d{{14}}_)
"""

# Who has handed in. \1 is the lab's name.
STUDENT = rf"""
    [^/]+(?={MARK}[_/])                          # Moodle: Ada_12_assignsubmission_file_
  | (?:[^/_]+(?:_LATE)?_\d{{2,}}|anon_\w{{5}})(?=_\d{{3,}}_[^/]*$)   # Canvas: adalovelace_123_456_x
  | submission_\d+(?=/)                          # Gradescope:  submission_123/
  | \d+-\d+\ -\ [^/]+(?=\ -\ [^/]+/)             # Brightspace: 12-34 - Ada Lovelace - May 1, 2026/
  | [^/_]+(?={ATTEMPT})                          # Blackboard:  ada12_attempt_2026-05-01-12-03-00_
  | (?![^/]*{MARK}[_/])(?!\1[^/]*/)(?!{COPY}[_\ -]+\1)  # all others:
    (?:[^/]+?(?={COPIED}[_\ -]+\1(?![a-zA-Z0-9]))#   ada_01_lab.ipynb, ada_01_lab/, Ada - 01_lab.zip
      |[^/]+(?=/))                               #   ada/
"""

# Names of zips that platforms make of a whole class.
OF_A_PLATFORM = re.compile(
    r"submissions\b|assignment_\d+_export|.* Download .*\d{4}|.*-\d{8}T\d{6}Z"
    r"|gradebook_|multi_feedback"
)

WHO = rf"""(?x)
    (?>.*?/downloaded/([^/]+)/extracted/)        # the first one: a student's may follow
    (?:{CLASS})?
    (?P<student_id>{STUDENT})
"""

# For `nbgrader zip_collect`; "01_structures (1).ipynb" is taken for 01_structures.ipynb.
NAMED = rf"""(?x)
    (?!.*/(?:\.ipynb_checkpoints|__MACOSX)/)     # not what JupyterLab and macOS leave behind
    {WHO.removeprefix("(?x)")}
    (?:.*/)?[^/]*?
    (?P<file_id>(?<!\d)\d\d_[a-z]+)[^/]*\.ipynb$
"""

MAX_PATH = 4096  # bytes; longer ones are not searched for a pattern
LONGEST = 120  # bytes of an id: with a file's name it must fit into 255 for any file system

# In HTML, in JavaScript, in an address, in a pattern or in a spreadsheet these mean something.
UNSAFE = str.maketrans(
    {"[": "(", "]": ")", "<": "(", ">": ")", "{": "(", "}": ")", "&": "+", ";": ",", "\\": "-"}
    | {'"': "'", "`": "'"}
    | dict.fromkeys("*?#%\t", " ")
)


def owner_and_rest(lab: str, path: str) -> tuple[str, str] | None:
    """Split the path of a file into the platform's name of a student, and the student's own part.

    >>> owner_and_rest("01_a", "Course-77/Ada_12_assignsubmission_file/notes.txt")
    ('Ada_12', 'notes.txt')
    >>> owner_and_rest("01_a", "adalovelace_LATE_123_456_01_a-1.ipynb")
    ('adalovelace_LATE_123', '01_a-1.ipynb')
    >>> owner_and_rest("01_a", "01_a.ipynb") is None
    True
    """
    start = f"/downloaded/{lab}/extracted/"
    match = re.match(WHO, start + path[:MAX_PATH])
    if match is None:
        return None
    rest = path[match.end() - len(start) :]
    behind = rf"{MARK}[_/]+|{ATTEMPT}_?|_\d{{3,}}_|{COPIED}[_\ -]+|/+"
    own = re.sub(rf"^(?:{behind})", "", rest)
    return match.group("student_id"), own


def could_be_anybodys(lab: str, path: str) -> bool:
    """Say whether only folders below tell that a path is in the zip of a class (ILIAS).

    >>> could_be_anybodys("01_a", "Lab 1/Lovelace_Ada_ada_7/20260501120300_01_a.ipynb")
    True
    """
    found = owner_and_rest(lab, path)
    above = path.removesuffix(found[1]).split("/")[:-2] if found else []
    return (
        bool(above)
        and bool(found and re.fullmatch(ILIAS, f"{found[0]}/"))
        and not re.match(OF_A_PLATFORM, path)
    )


def owner(lab: str, path: str) -> str | None:
    """Return the id of the student who handed in a file, by its path; None if that says nothing."""
    found = owner_and_rest(lab, as_folder(lab, path))
    return identity(found[0]) if found else None


def as_folder(lab: str, path: str) -> str:
    """Return the path that a notebook in a zip would have, were the zip a folder.

    >>> as_folder("01_a", "ada.zip"), as_folder("01_a", "ada.txt")
    ('ada/01_a.ipynb', 'ada.txt')
    """
    return re.sub(r"\.zip$", lambda _: f"/{lab}.ipynb", path, flags=re.IGNORECASE)


def plain_name(name: str) -> str:
    """Return a platform's name of a student as it is the same each time, and for each lab.

    >>> plain_name("adalovelace_LATE_123"), plain_name("12-34 - Ada Lovelace")
    ('adalovelace_123', 'Ada Lovelace 12')
    """
    name = re.sub(r"_LATE(?=_\d+$)", "", legible(name))  # Canvas
    name = re.sub(r"^(\d+)-\d+ - (.*)$", r"\2 \1", name)  # Brightspace's second number is the lab's
    if re.search(MARK, name):  # one that Moodle did not write: no number in it can be trusted
        name = name.replace("_", " ")
    return unicodedata.normalize("NFC", name).strip()  # macOS writes accents apart


def identity(name: str) -> str:
    """Return the id that a platform's name of a student becomes.

    >>> identity("=ada"), identity("***")
    ('ada', 'unnamed (596f)')
    """
    name = plain_name(name)
    found = shortened(cleaned(name))
    return f"unnamed ({digest(name)})" if found in ("", ".", "..") else found


def digest(name: str) -> str:
    """Return four signs that tell one name from another."""
    return hashlib.sha256(name.encode()).hexdigest()[:4]


def cleaned(name: str) -> str:
    """Return a student's name as an id that means nothing to any program that shows or reads it.

    Formgrader writes ids into its pages as they are, and into links; spreadsheets compute what
    begins like a formula, full-width signs and what follows a semicolon included; nbgrader looks
    for files by patterns, in which brackets and stars mean something; signs without a width make
    two names look the same.

    >>> cleaned(" Ada_12"), cleaned("=1+1_13"), cleaned("Lee+Ann [x]_1"), cleaned("<b>Bo</b>;=1")
    ('Ada_12', '1+1_13', 'Lee+Ann (x)_1', '(b)Bo(/b),=1')
    """
    readable = name.translate(UNSAFE)
    readable = "".join(c for c in readable if unicodedata.category(c) not in ("Cc", "Cf", "Zl"))
    return re.sub(r"^[\s=+@\-\uff1d\uff0b\uff20\uff0d\u2212'|]+", "", readable).strip()


def shortened(name: str) -> str:
    """Cut an id to LONGEST bytes; a number at its end (Moodle's) stays.

    >>> len(shortened("x" * 300 + "_12").encode()), shortened("x" * 300 + "_12")[-4:]
    (120, '…_12')
    """
    data = name.encode()
    if len(data) <= LONGEST:
        return name
    number = re.search(r"(?:_\d{1,20})?$", name)
    tail = f"…{number[0] if number else ''}"
    return data[: LONGEST - len(tail.encode())].decode("utf-8", "ignore").rstrip() + tail


def ids(names: Iterable[str]) -> dict[str, str]:
    """Give each of the platform's names an id: names that would fall together get different ones.

    >>> ids(["ada", "=ada", "bob"])
    {'=ada': 'ada (c1bb)', 'ada': 'ada', 'bob': 'bob'}
    """
    alike = defaultdict(list)
    for name in sorted(set(names)):
        alike[identity(name).casefold()].append(name)  # macOS and Windows ignore case, too
    found = {}
    for together in alike.values():
        first = min(together, key=lambda name: (plain_name(name) != identity(name), name))
        for name in together:
            other = plain_name(name) != plain_name(first)
            found[name] = identity(name) + (f" ({digest(plain_name(name))})" if other else "")
    return dict(sorted(found.items()))
