"""Optimizers that torch does not have: LAMB, and SGD for bfloat16 parameters that keeps the
other half of their float32 values."""

from torch_xpu_lite.optim.lamb import Lamb
from torch_xpu_lite.optim.split_sgd import SplitSGD

__all__ = ["Lamb", "SplitSGD"]
