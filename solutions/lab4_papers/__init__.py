"""The sources of lab 4, Papers."""
