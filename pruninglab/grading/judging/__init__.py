"""Tests run here, the student's functions in a sandbox; marks come of it."""
