"""``ipex.cpu``: the runtime extension."""

from torch_xpu_lite.ipex_compat.cpu import runtime

__all__ = ["runtime"]
