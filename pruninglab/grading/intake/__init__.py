"""What students handed in: collected, read, and put on the instructor's skeleton."""
