"""Operators that torch lets choose among equal elements, and what they must still get right.

torch.sort without stable=True, argsort, topk, kthvalue and mode promise nothing of the order of
equal elements, and the CPU's own order changes with its vector instructions and strides. So the
indices of two devices may differ where the elements that they pick are equal, and nowhere else.
"""

import torch
from outcome import Mismatch

ARGUMENTS = {"sort": ("dim", "descending"), "argsort": ("dim", "descending", "stable"),
             "topk": ("k", "dim", "largest", "sorted"), "kthvalue": ("k", "dim", "keepdim"),
             "mode": ("dim", "keepdim")}


def given(op, sample):
    """The arguments of the sample by name."""
    names = ARGUMENTS[op.name]
    if sample.args and not isinstance(sample.args[0], (int, bool)):
        names = ("stable", *names)
    return {**dict(zip(names, sample.args)), **sample.kwargs}


def open_choice(op, sample):
    """Whether equal elements may come in any order."""
    return (op.name in ARGUMENTS and isinstance(sample.input, torch.Tensor)
            and not given(op, sample).get("stable", False))


def without_choice(op, sample, value):
    """`value` on the CPU with each index replaced by the element that it picks; a Mismatch for
    an index that does not exist, or comes twice in a row."""
    known = given(op, sample)
    source, dim = sample.input.detach(), known.get("dim", -1)
    if source.dim() == 0:
        source = source.unsqueeze(0)
    keeps = op.name not in ("kthvalue", "mode") or known.get("keepdim", False)

    def picked(index):
        index = index.detach().cpu()
        if index.dtype != torch.int64 or not index.numel():
            return index
        shape = index.shape
        if sample.input.dim() == 0:
            index = index.reshape(1)
        elif not keeps:
            index = index.unsqueeze(dim)
        if index.min() < 0 or index.max() >= source.shape[dim]:
            raise Mismatch(f"an index outside of {source.shape[dim]} elements")
        ordered = index.sort(dim).values
        if (ordered.diff(dim=dim) == 0).any():
            raise Mismatch("an index comes twice in a row")
        return source.gather(dim, index).reshape(shape)

    if op.name == "argsort":
        return picked(value)
    values, indices = value
    return values.detach().cpu(), picked(indices)
