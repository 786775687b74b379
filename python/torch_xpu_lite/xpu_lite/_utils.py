"""Turns what users pass as a device into an index."""

import torch
from torch_xpu_lite import _C

NAME = "xpu_lite"


def _get_device_index(device=None, optional: bool = False, allow_cpu: bool = False) -> int:
    """Index of ``device``: an int, ``"xpu_lite"``, ``"xpu_lite:1"``, a ``torch.device``.

    Without an index, or with ``None`` if ``optional``, it is the current device.
    ``"cpu"`` gives -1 if ``allow_cpu``. Whether the device exists is not checked.

    Raises:
        ValueError: a device of another type, or ``None`` where it is not optional.
        TypeError: not a device at all.
    """
    if isinstance(device, bool):
        raise TypeError(f"expected a device, got {device!r}")
    if isinstance(device, int):
        return device
    if device is None:
        if not optional:
            raise ValueError(f"expected a {NAME} device with an index, got None")
        return _C._current_device()
    if isinstance(device, str):
        device = torch.device(device)
    if not isinstance(device, torch.device):
        raise TypeError(
            f"expected an int, a str or a torch.device, got {type(device).__name__}"
        )
    if allow_cpu and device.type == "cpu":
        return -1
    if device.type != NAME:
        raise ValueError(f"expected a {NAME} device, got {device}")
    return _C._current_device() if device.index is None else device.index
