"""What crosses the border of the sandbox: plain data and tensors, never a pickle."""
