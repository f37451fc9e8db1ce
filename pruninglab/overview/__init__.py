"""What the labs ask for, and how far they are: `manifest`, `progress` and `page` (START.md).

Commands and grading need it too, so nothing here imports torch, which takes two seconds.
"""
