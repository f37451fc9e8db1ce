"""Lab 7: a recipe of one's own, over targets and seeds, on CIFAR; its curve, its talk.

`setting` has images and the dense network, `plan` says what a run costs, `run` runs a recipe,
`overlay` draws it over ours, `networks` are the files that are handed in, `talk` and `slides` make
the presentation. The notebook takes what it needs from here.
"""

from pruninglab.project.plan import plan
from pruninglab.project.run import network_file, read_test, run_project
from pruninglab.project.setting import FOLDER, dense_network
from pruninglab.training.loop import Loop

__all__ = ["FOLDER", "Loop", "dense_network", "network_file", "plan", "read_test", "run_project"]
