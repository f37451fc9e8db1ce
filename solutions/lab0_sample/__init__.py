"""The sources of lab 0, Sample: what a new lab begins as."""
