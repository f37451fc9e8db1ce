"""The sources of lab 2, Criteria."""
