"""Tells pytest which files are notebooks in disguise, not modules with doctests."""

collect_ignore_glob = ["*_lab.py", "*/probes.py", "*/toolbox.py"]
