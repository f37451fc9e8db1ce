"""The sources of lab 5, Speed."""
