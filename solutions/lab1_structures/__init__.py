"""The sources of lab 1, Structures."""
