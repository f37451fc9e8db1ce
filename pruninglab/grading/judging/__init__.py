"""How marks come about: tests run here, the student's functions in a sandbox."""
