"""Where CIFAR-10 and CIFAR-100 come from: sources, downloads, file formats."""
