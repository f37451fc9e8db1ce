"""The sources of lab 3, Methods."""
