"""Meshes of this device, where torch.distributed (2.13) expects names and counts of others."""

import functools
import os
import sys

import torch
from torch.distributed import device_mesh

_NAME = "xpu_lite"


class _Letters(str):
    """The name for `init_device_mesh`, which refuses what is not all letters: it takes
    the underscore for an index."""

    def isalpha(self):
        return True


def patch() -> None:
    """Replaces the functions. Called once, when the backend is registered."""
    _patch_init_device_mesh()
    _patch_device_choice()


def _patch_init_device_mesh() -> None:
    original = device_mesh.init_device_mesh

    @functools.wraps(original)
    def init_device_mesh(device_type, *args, **kwargs):
        if device_type != _NAME:
            return original(device_type, *args, **kwargs)
        mesh = original(_Letters(_NAME), *args, **kwargs)
        mesh._device_type = _NAME  # compiled code guards on a plain str
        return mesh

    # Other modules of torch have taken the name from its own.
    for name, module in list(sys.modules.items()):
        if name.startswith("torch.distributed") and (
            getattr(module, "init_device_mesh", None) is original
        ):
            module.init_device_mesh = init_device_mesh


def _patch_device_choice() -> None:
    # A mesh chooses the device by LOCAL_RANK when the program has not chosen. Here more
    # ranks than devices are usual: the processes share the cores, and each has its own
    # streams and memory.
    original = getattr(device_mesh.DeviceMesh, "_setup_world_group_and_device", None)
    if original is None:
        return

    @functools.wraps(original)
    def _setup_world_group_and_device(self):
        if self._device_type == _NAME and not torch.xpu_lite.is_initialized():
            rank = int(os.environ.get("LOCAL_RANK", "0"))
            torch.xpu_lite.set_device(rank % torch.xpu_lite.device_count())
            torch.xpu_lite.init()
        return original(self)

    device_mesh.DeviceMesh._setup_world_group_and_device = _setup_world_group_and_device
