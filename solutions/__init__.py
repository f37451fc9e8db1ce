"""The truth of the course: exercises, their known mistakes, lab texts, and what is built from them."""
