"""The sources of lab 7, Project."""
