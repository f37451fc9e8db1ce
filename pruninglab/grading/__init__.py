"""For instructors: grade a class with nbgrader (`python -m pruninglab.grading --help`).

Everything is nbgrader's own: its release, its autograder, its gradebook (so formgrader shows the
same marks), its feedback and export. What is added is one command for the whole class, a row for
every submission however broken, and feedback that keeps the hidden tests hidden.
"""
