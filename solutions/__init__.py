"""The truth of the course: exercises, known mistakes, lab texts; labs are built from them."""
