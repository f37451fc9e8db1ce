"""The sources of lab 6, Further."""
