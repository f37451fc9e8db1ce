"""Tells pytest which files are notebooks in disguise, not modules with doctests."""

collect_ignore_glob = ["lab*/text.py", "lab*/probes.py"]
