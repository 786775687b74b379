"""Operators that have no kernel on the device: counted, shown, forbidden.

They run on the CPU's kernel through PyTorch's boxed calls: correct, and slower
than an operator of the device.
"""

import sys
from collections import OrderedDict

from torch_xpu_lite import _C


def fallbacks(reset: bool = False) -> "OrderedDict[str, int]":
    """Operators that fell back and how often, most often first.

    Args:
        reset: begin to count anew afterwards.
    """
    counts = sorted(_C._fallback_counts(), key=lambda item: (-item[1], item[0]))
    if reset:
        _C._reset_fallback_counts()
    return OrderedDict(counts)


def reset_fallbacks() -> None:
    """Begins to count anew."""
    _C._reset_fallback_counts()


def print_fallbacks(file=None) -> None:
    """Prints :func:`fallbacks`, one operator a line; to stdout by default."""
    file = file or sys.stdout
    counts = fallbacks()
    if not counts:
        print("xpu_lite: no operator fell back", file=file)
        return
    print("xpu_lite: operators that fell back, and how often", file=file)
    width = max(map(len, counts))
    for name, count in counts.items():
        print(f"  {name:{width}}  {count}", file=file)


def get_fallback_policy() -> str:
    """``"allow"``, ``"warn"`` or ``"error"``."""
    return _C._fallback_policy()


class set_fallback_policy:
    """What happens when an operator would fall back, in all threads.

    ``"allow"`` counts it, ``"warn"`` also warns once per operator, ``"error"`` raises
    ``RuntimeError``. Takes effect at once; as a context manager it ends with the
    block. ``XPU_LITE_FALLBACK`` sets it for a process.

    Raises:
        ValueError: another policy.
    """

    def __init__(self, policy: str):
        self.previous = _C._fallback_policy()
        _C._set_fallback_policy(policy)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _C._set_fallback_policy(self.previous)
        return False


def print_routes(on: bool = True) -> None:
    """Prints for each operator call which kernel ran it (``XPU_LITE_VERBOSE=routes``)."""
    _C._set_print_routes(on)
