"""Helpers for a course on pruning neural networks: data, networks, masks, counters, training."""
