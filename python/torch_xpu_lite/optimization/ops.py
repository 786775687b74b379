"""The fused operators as the fused graphs call them, and where they do not fit.

A fused operator computes what the operators in its place computed. Where the shapes at
run time are not those it is for, the functions here do the same in plain operators, or
raise :class:`NotAsTraced`, and the module's own ``forward`` runs instead.
"""

import torch
import torch.nn.functional as F


class NotAsTraced(Exception):
    """What the graph took for granted does not hold for these inputs."""


ACTIVATIONS = {
    "none": lambda x: x,
    "relu": torch.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


def linear(x, weight, bias=None, activation="none", add=None, add_first=False, mul=None):
    """``activation(x @ weight.T + bias) * mul + add``; with ``add_first`` the sum is
    taken before the activation. ``add`` and ``mul`` are tensors or None."""
    if (add is None or _fits(add, x, weight)) and (mul is None or _fits(mul, x, weight)):
        return torch.ops.xpu_lite.linear.default(
            x, weight, bias, activation=activation, add=add, add_first=add_first, mul=mul)
    return _tail(F.linear(x, weight, bias), activation, add, add_first, mul)


def int8_linear(x, weight, *args, activation="none", add=None, add_first=False, mul=None, **kwargs):
    """:func:`linear` of the operator of this name."""
    return _quantized(torch.ops.xpu_lite.int8_linear.default, x, weight, args, kwargs,
                      dict(activation=activation, add=add, add_first=add_first, mul=mul))


def weight_only_linear(x, weight, *args, activation="none", add=None, add_first=False, mul=None,
                       **kwargs):
    """:func:`linear` of the operator of this name."""
    return _quantized(torch.ops.xpu_lite.weight_only_linear.default, x, weight, args, kwargs,
                      dict(activation=activation, add=add, add_first=add_first, mul=mul))


def _quantized(operator, x, weight, args, kwargs, tail):
    if all(tail[name] is None or _fits(tail[name], x, weight) for name in ("add", "mul")):
        return operator(x, weight, *args, **kwargs, **tail)
    return _tail(operator(x, weight, *args, **kwargs), **tail)


def _tail(y, activation, add, add_first, mul):
    if add_first and add is not None:
        y = y + add
    y = ACTIVATIONS[activation](y)
    if mul is not None:
        y = y * mul
    return y + add if add is not None and not add_first else y


def _fits(operand, x, weight):
    return (type(operand) is torch.Tensor and operand.is_floating_point()
            and operand.shape[-1:] == weight.shape[:1] and operand.shape[:-1] == x.shape[:-1]
            and operand.device == x.device)


def linear_of_rows(x, weight, bias, activation="none"):
    """:func:`linear` with a batch norm folded in: of a matrix only, because of an input of
    three dimensions the batch norm takes another dimension for the channels."""
    if x.dim() != 2:
        raise NotAsTraced("a linear layer and its batch norm are folded for inputs of two dimensions")
    return linear(x, weight, bias, activation)


def convolution(x, weight, bias, stride, padding, dilation, groups, activation="none", add=None):
    """``activation(conv(x) + bias + add)``, for batched inputs."""
    if x.dim() != weight.dim():
        raise NotAsTraced("a convolution of an input without a batch")
    if add is not None and not (
            type(add) is torch.Tensor and add.is_floating_point() and add.device == x.device
            and add.shape == _result_shape(x, weight, stride, padding, dilation)):
        raise NotAsTraced("what is added to a convolution has another shape")
    return torch.ops.xpu_lite.convolution.default(
        x, weight, bias, stride, padding, dilation, groups, activation=activation, add=add)


def _result_shape(x, weight, stride, padding, dilation):
    return (x.shape[0], weight.shape[0], *(
        (size + 2 * p - d * (kernel - 1) - 1) // s + 1
        for size, kernel, s, p, d in zip(x.shape[2:], weight.shape[2:], stride, padding, dilation)))


def int8_convolution(x, weight, weight_scale, bias, stride, padding, dilation, *, add=None,
                     **kwargs):
    """``activation(conv(x) + bias + add)`` in 8 bits; see the operator of this name."""
    if x.dim() != 4:
        raise NotAsTraced("a convolution of an input without a batch")
    if add is not None and not (
            type(add) is torch.Tensor and add.device == x.device
            and (add.is_floating_point() or kwargs.get("add_scale") is not None)
            and add.shape == _result_shape(x, weight, stride, padding, dilation)):
        raise NotAsTraced("what is added to a convolution has another shape")
    return torch.ops.xpu_lite.int8_convolution.default(
        x, weight, weight_scale, bias, stride, padding, dilation, add=add, **kwargs)


def byte_max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Max pooling of 8-bit values."""
    return torch.ops.xpu_lite.byte_max_pool2d.default(
        x, kernel_size, stride, padding, dilation, ceil_mode)


def layer_norm(x, shape, weight, bias, eps):
    """A layer norm that keeps the dtype of its input where autocast would widen it."""
    with torch.autocast(x.device.type, enabled=False):
        return F.layer_norm(x, shape, weight, bias, eps)


def split(x, sizes):
    """The results of products that were made as one."""
    return torch.split(x, sizes, -1)
