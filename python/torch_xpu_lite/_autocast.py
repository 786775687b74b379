"""bfloat16 as the default of ``torch.autocast("xpu_lite")`` on every thread.

PyTorch keeps the default dtype of autocast per thread and starts each thread with
float16 for devices outside it, so setting it once at import reaches one thread only.
"""

import functools
import threading

import torch

_NAME = "xpu_lite"
_thread = threading.local()


def set_default() -> None:
    """Makes bfloat16 the default on the calling thread, the first time only, so that
    what ``torch.set_autocast_dtype`` sets later stays."""
    if not getattr(_thread, "done", False):
        _thread.done = True
        torch.set_autocast_dtype(_NAME, torch.bfloat16)


def patch() -> None:
    """Called once, by the patches."""
    set_default()
    original = torch.amp.autocast_mode.autocast.__init__

    @functools.wraps(original)
    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if dtype is None and device_type == _NAME:
            set_default()
        original(self, device_type, dtype, enabled, cache_enabled)

    torch.amp.autocast_mode.autocast.__init__ = __init__
