"""``xpu-lite bench``: a model on this device against the CPU device and other engines."""
