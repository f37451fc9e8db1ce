"""The systems of the papers on full CIFAR-10: how they run, and the tables and figures."""
