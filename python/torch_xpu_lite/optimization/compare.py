"""Whether two results of a module are the same but for rounding, and their memory formats."""

import torch
from torch.utils import _pytree as pytree

# Of the root mean square of the result. A folded batch norm rounds once more or once less;
# a chain of 16-bit operators that is fused rounds less often.
_OF_BYTES = 0.15  # of results that rounding to 8 bits went into on one side, layer by layer
_LIMITS = {torch.float64: 1e-6, torch.float32: 2e-3, torch.bfloat16: 6e-2, torch.float16: 2e-2}


def _leaves(result):
    leaves, structure = pytree.tree_flatten(result)
    return leaves, structure


def difference(expected, actual, inputs, same_dtype, of_bytes=False):
    """What is different, in words, or None. Inputs in a 16-bit float set the limit of a
    result in float32, too; `of_bytes`: 8-bit values went into `actual`."""
    a, a_structure = _leaves(expected)
    b, b_structure = _leaves(actual)
    if a_structure != b_structure:
        return "the results have another structure"
    least = max([_LIMITS.get(t.dtype, 0.0) for t in (*inputs, *a, *b)
                 if isinstance(t, torch.Tensor)], default=0.0)
    if torch.is_autocast_enabled("xpu_lite"):
        least = max(least, _LIMITS.get(torch.get_autocast_dtype("xpu_lite"), 0.0))
    if of_bytes:
        least = _OF_BYTES
    for x, y in zip(a, b):
        if same_dtype and getattr(x, "dtype", None) != getattr(y, "dtype", None):
            return f"dtype {y.dtype} instead of {x.dtype}"
        text = _tensor_difference(x, y, least)
        if text is not None:
            return text
    return None


def _tensor_difference(x, y, limit):
    if type(x) is not torch.Tensor or type(y) is not torch.Tensor:
        return None if type(x) is type(y) and x == y else "a result is another object"
    if x.shape != y.shape:
        return f"shape {tuple(y.shape)} instead of {tuple(x.shape)}"
    if not x.is_floating_point():
        return None if x.dtype == y.dtype and torch.equal(x, y) else "whole numbers differ"
    if x.numel() == 0:
        return None
    with torch.no_grad(), torch.autocast("xpu_lite", enabled=False):
        x, y = x.detach().float(), y.detach().float()
        same = torch.isfinite(x)
        if not torch.equal(same, torch.isfinite(y)):
            return "infinite values or NaN in other places"
        x, y = x[same], y[same]
        if x.numel() == 0:
            return None
        size = float(x.square().mean().sqrt())
        apart = float((x - y).square().mean().sqrt())
        worst = float((x - y).abs().max()) / max(float(x.abs().max()), 1e-30)
    if apart > limit * max(size, 1e-30) or worst > 10 * limit:
        return f"{apart / max(size, 1e-30):.1e} of its size apart"
    return None


def no_further_from(exact, expected, actual):
    """Rounding in 16 bits adds up in deep networks: is `actual` about as far from the float32
    results `exact` as `expected` is, and both near it?"""
    leaves = [_leaves(result) for result in (exact, expected, actual)]
    if any(structure != leaves[0][1] for _, structure in leaves):
        return False
    for x, *both in zip(*(values for values, _ in leaves)):
        if type(x) is not torch.Tensor or not x.is_floating_point():
            continue
        with torch.no_grad(), torch.autocast("xpu_lite", enabled=False):
            size = float(x.float().square().mean().sqrt())
            theirs, ours = (float((y.float() - x.float()).square().mean().sqrt()) for y in both)
        if not (ours <= 1.5 * theirs and ours <= 0.3 * size):  # a NaN is neither
            return False
    return True


def density(result):
    """For each tensor of the result, whether it must be contiguous: fused convolutions give
    channels last, and what comes after may ask for `view`."""
    return [isinstance(t, torch.Tensor) and t.is_contiguous() for t in _leaves(result)[0]]


def as_dense_as(dense, result):
    """`result` with those tensors contiguous that `density` found so."""
    if type(result) is torch.Tensor:
        return result.contiguous() if dense[0] else result
    leaves, structure = _leaves(result)
    if all(t.is_contiguous() for t, d in zip(leaves, dense) if d):
        return result
    leaves = [t.contiguous() if d else t for t, d in zip(leaves, dense)]
    return pytree.tree_unflatten(leaves, structure)
