"""Helpers for a course on pruning neural networks: data, networks, masks, counters, training.

What notebooks import lies here and in `training`, `checks` and `project` (lab 7). `student` is what
a student runs in a terminal, `overview` what the labs ask for and how far they are, `results` what
was measured, `grading` for instructors, `cifar` where images come from, `dev` how the shipped
networks and pictures were made.
"""

from pruninglab import renamed

renamed.install()
