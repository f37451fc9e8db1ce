"""How nbgrader works in this repository (`nbgrader` and JupyterLab's formgrader read this file)."""

import os
import sysconfig

from pruninglab.grading.intake.owners import NAMED
from pruninglab.notebook import ANSWER_STUB

# nbgrader makes a new gradebook with the command `alembic`, which it expects on the PATH. It is
# beside Python, and not on the PATH where the virtual environment was not activated.
os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])

c = get_config()  # noqa: F821 - traitlets gives it to configuration files

# --- where things are: the folder with this file is the course; gradebook.db lies in it -----------
c.CourseDirectory.course_id = "pruninglab"
c.CourseDirectory.source_directory = "solutions/notebooks"
c.CourseDirectory.release_directory = "labs"

# nbgrader copies whatever else is in a folder of solutions/notebooks into the release (probes.py
# must go). The sources of the labs are elsewhere; should one stray in, this second wall stops it.
c.CourseDirectory.ignore = [
    ".*",
    "__pycache__",
    "*.pyc",
    "*.db*",
    "*.log",
    "*~",
    "exercises.py",
    "hidden.py",
    "mistakes.py",
    "text.py",
    "autograded",
    "feedback",
    "my_project",
    "submitted",
]

# --- what a student finds in place of a solution --------------------------------------------------
c.ClearSolutions.code_stub = {
    "python": 'raise NotImplementedError("write your solution here, in place of this line")'
}
c.ClearSolutions.text_stub = ANSWER_STUB

# --- collecting what a learning platform hands over: `nbgrader zip_collect LAB` -------------------
# Put the files into downloaded/LAB/archive/. These names are understood, zipped or not:
#   Lovelace Ada_12_assignsubmission_file_01_structures.ipynb     Moodle: student "Lovelace Ada_12"
#   Lovelace Ada_12_assignsubmission_file_/01_structures.ipynb    Moodle, "download in folders"
#   Lovelace Ada_12_assignsubmission_file/01_structures.ipynb     the same, from Moodle 4.1 on
#   adalovelace_123_456_01_structures.ipynb                       Canvas: student "adalovelace_123"
#   submission_123/01_structures.ipynb                            Gradescope
#   12-34 - Ada Lovelace - May 1, 2026 1203 PM/01_structures.ipynb   Brightspace
#   Lovelace_Ada_ada_12/20260501120300_01_structures.ipynb        ILIAS
#   Ada Lovelace - 01_structures.ipynb                            Google Classroom
#   ada_01_structures.ipynb, ada_01_structures.zip, ada.zip, ada/ anything else: student "ada"
# `make grade` also knows the names of the zips of whole classes (see `pruninglab.grading.intake`).
c.FileNameCollectorPlugin.named_regexp = NAMED

# --- running the submissions ----------------------------------------------------------------------
c.Execute.timeout = 300  # seconds a cell; nbgrader's 30 is too short on a slow machine
c.Execute.startup_timeout = 120  # seconds until a kernel answers
# Without it each kernel warns that its sockets are not encrypted; they never leave the machine.
c.Execute.extra_arguments = ["--log-level=ERROR"]

# --- feedback -------------------------------------------------------------------------------------
# nbgrader shows the hidden tests in the feedback, and their lines in tracebacks
# (github.com/jupyter/nbgrader/issues/917, open): clear them with a preprocessor of our own.
c.GenerateFeedback.preprocessors = [
    "pruninglab.grading.gradebook.feedback.GetMarks",
    "pruninglab.grading.gradebook.feedback.HideHiddenTests",
    "pruninglab.grading.gradebook.guide.ShowAnswers",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
c.ShowAnswers.enabled = False  # --with-answers of pruninglab.grading turns it on, after a deadline
c.GenerateFeedback.exporter_class = "pruninglab.grading.gradebook.feedback.FeedbackPage"
# Whatever a page renders of a notebook's Markdown is cleaned: no script, no form, no request.
c.HTMLExporter.filters = {"markdown2html": "pruninglab.grading.safe_html.markdown2html"}

# --- formgrader -----------------------------------------------------------------------------------
# Model answer and marking guide under each free response; not in what students get.
c.HTMLExporter.preprocessors = ["pruninglab.grading.gradebook.guide.ShowGuide"]
