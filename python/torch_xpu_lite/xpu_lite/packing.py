"""What the device keeps of weights between calls, and how much it takes.

A weight of ``linear`` (or ``mm``, ``addmm``) that is used again unchanged is packed once
into the layout that the kernel reads; under autocast without gradients it is also cast
once. Both are given up when anything writes to the weight's memory: an optimizer's step, an
in-place operator, ``.data``, ``load_state_dict``. ``XPU_LITE_PACK=auto|off|SIZE``.
"""

from torch_xpu_lite import _C


def packing_stats() -> "dict[str, dict[str, int]]":
    """Statistics of the packed (``"packed"``) and cast (``"cast"``) weights.

    ``kept`` and ``bytes`` are what is there now; ``hits`` calls that found what they needed;
    ``made`` weights packed or cast to be kept, ``once`` for one call; ``written`` and
    ``evicted`` what was given up because the weight was written to, or for lack of room.
    """
    return _C._packing_stats()


def clear_packed_weights() -> None:
    """Gives up all packed and cast weights; those still used are made again."""
    _C._clear_packed_weights(True)


class set_packing:
    """Turns the packing of weights on or off, in all threads.

    As a context manager it ends with the block. ``XPU_LITE_PACK`` sets it for a process.

    Args:
        on: whether packed weights are kept between calls. The results are the same.
        limit: the most bytes that each kind may take; 0 is a quarter of the memory.

    Raises:
        ValueError: a negative limit.
    """

    def __init__(self, on: bool, limit: int = 0):
        if limit < 0:
            raise ValueError(f"set_packing: limit must be 0 or more bytes, got {limit}")
        value = dict((option[0], option[3]) for option in _C._describe_options())["XPU_LITE_PACK"]
        self.previous = (value != "off", int(value) if value.isdigit() else 0)
        _C._set_packing(bool(on), int(limit))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _C._set_packing(*self.previous)
        return False
