"""Weights made of weights: what is computed once and kept while its sources stay the same.

These functions are called on parameters and buffers alone, in the part of a fused graph
that runs when the weights change and not at each call. They compute in float32 or wider
and give the dtype of the weight.
"""

import torch


def _wide(tensor):
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _scale(variance, gamma, eps):
    scale = torch.rsqrt(_wide(variance) + eps)
    return scale if gamma is None else scale * _wide(gamma)


def folded_weight(weight, variance, gamma, eps):
    """The weight of a linear layer or convolution, output channels first, times what its
    batch norm multiplies each channel with."""
    scale = _scale(variance, gamma, eps)
    folded = _wide(weight) * scale.reshape(-1, *([1] * (weight.dim() - 1)))
    return folded.to(weight.dtype)


def folded_bias(weight, bias, mean, variance, gamma, beta, eps):
    """The bias that goes with :func:`folded_weight`."""
    shift = -_wide(mean) if bias is None else _wide(bias) - _wide(mean)
    shift = shift * _scale(variance, gamma, eps)
    if beta is not None:
        shift = shift + _wide(beta)
    return shift.to(weight.dtype)


def joined(*tensors):
    """Weights or biases one behind the other: one product for several layers."""
    rows = [tensor.shape[0] for tensor in tensors]
    result = tensors[0].new_empty((sum(rows), *tensors[0].shape[1:]))
    # By copies: a list of tensors is taken for written to.
    for part, tensor in zip(result.split(rows), tensors):
        part.copy_(tensor)
    return result


def transposed(weight):
    """The [in, out] weight of GPT-2's Conv1D as that of a linear layer."""
    return weight.t()


def rows(weight):
    """How many outputs a linear layer has."""
    return weight.shape[0]


FUNCTIONS = frozenset((folded_weight, folded_bias, joined, transposed, rows))
