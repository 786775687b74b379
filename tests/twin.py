"""Moves test inputs to the device so that the CPU and the device see equal inputs.

A twin has the same bytes, sizes, strides, storage offset, conj and neg bits and
requires_grad as the original; tensors that share a storage have twins that share one.
"""

import copy
import os

import torch
from torch.utils._pytree import tree_map

# The device under test. "cpu" compares the CPU with itself: a test of the harness.
DEVICE = os.environ.get("XL_TEST_DEVICE", "xpu_lite")


class Twinner:
    """Makes twins of tensors on `device`; one Twinner per call, so that tensors
    that alias each other in one argument list still do on the device."""

    def __init__(self, device):
        self.device = torch.device(device)
        self._storages = {}
        self._tensors = {}
        self._keep = []  # ids stay unique while the originals live

    def __call__(self, tree):
        if torch.is_tensor(tree):
            return self._leaf(tree)
        return tree_map(self._leaf, tree)

    def _leaf(self, value):
        if isinstance(value, torch.Tensor):
            if id(value) not in self._tensors:
                self._keep.append(value)
                self._tensors[id(value)] = self._tensor(value)
            return self._tensors[id(value)]
        if isinstance(value, torch.device):
            return self.device if value.type == "cpu" else value
        if isinstance(value, str) and value == "cpu":  # a device's name
            return str(self.device)
        if isinstance(value, torch.Generator):
            return torch.Generator(self.device).manual_seed(value.initial_seed())
        if isinstance(value, torch.nn.Module):
            return copy.deepcopy(value).to(self.device)
        return value

    def _tensor(self, value):
        if value.device.type != "cpu":
            return value  # a meta tensor of an illegal input
        with torch.no_grad():
            twin = self._strided(value.detach()) if self._plain(value) else self._other(value)
        if isinstance(value, torch.nn.Parameter):
            twin = torch.nn.Parameter(twin, requires_grad=value.requires_grad)
        return twin.requires_grad_(value.requires_grad)

    @staticmethod
    def _plain(value):
        return (type(value) in (torch.Tensor, torch.nn.Parameter)
                and value.layout == torch.strided and not value.is_quantized)

    def _other(self, value):
        """Sparse, quantized and subclass tensors: moved by torch itself."""
        value = value.detach()
        return value.clone() if value.device == self.device else value.to(self.device)

    def _strided(self, value):
        if value.is_conj():
            return self._strided(value.conj()).conj()
        if value.is_neg():
            return torch._neg_view(self._strided(torch._neg_view(value)))
        storage = value.untyped_storage()
        key = storage._cdata
        if key not in self._storages:
            raw = torch.empty(0, dtype=torch.uint8).set_(storage)
            self._keep.append(storage)
            self._storages[key] = raw.clone().to(self.device).untyped_storage()
        out = torch.empty(0, dtype=value.dtype, device=self.device)
        return out.set_(self._storages[key], value.storage_offset(), value.size(),
                        value.stride())


def twin(tree, device=None):
    """A copy of every tensor in `tree` on `device` (default: the device under test)."""
    return Twinner(DEVICE if device is None else device)(tree)


def place_call(args, kwargs, device):
    """Twins of one call's arguments; `device=` keywords are pointed at `device`."""
    twinner = Twinner(device)
    args, kwargs = twinner(args), twinner(kwargs)
    for name in ("device",):
        if name in kwargs and kwargs[name] is not None:
            kwargs[name] = torch.device(device)
    return args, kwargs
