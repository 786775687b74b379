"""Running a model in bfloat16 or float16 while its parameters stay in float32.

Autocast makes the products low; the weights' casts are kept by the device. What autocast
would widen between the products, norms and embeddings, stays low too: the residual
stream of a transformer then needs no casts.
"""

import inspect

import torch
from torch import nn

from torch_xpu_lite import _loader
from torch_xpu_lite.optimization import ops

_DEVICE = _loader.NAME


class AutocastForward:
    """``forward`` of a whole model, under autocast to `dtype` on the device."""

    def __init__(self, module, dtype, inner=None):
        self.module, self.dtype, self.inner = module, dtype, inner

    @property
    def __signature__(self):
        signature = inspect.signature(type(self.module).forward)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(self, *args, **kwargs):
        with torch.autocast(_DEVICE, self.dtype):
            if self.inner is not None:
                return self.inner(*args, **kwargs)
            return type(self.module).forward(self.module, *args, **kwargs)


class LowForward:
    """``forward`` of a norm or embedding: its result is in `dtype`. In training the class's
    own runs."""

    def __init__(self, module, dtype):
        self.module, self.dtype = module, dtype

    def __call__(self, x, *args, **kwargs):
        module = self.module
        if (args or kwargs or module.training or torch.is_grad_enabled()
                or x.device.type != _DEVICE or not torch.is_autocast_enabled(_DEVICE)):
            return type(module).forward(module, x, *args, **kwargs)
        if type(module) is nn.LayerNorm:
            return ops.layer_norm(x.to(self.dtype) if x.is_floating_point() else x,
                                  module.normalized_shape, module.weight, module.bias, module.eps)
        return type(module).forward(module, x).to(self.dtype)


def keep_low(module, low):
    """Hangs a :class:`LowForward` on a norm or an embedding, if `low` is a dtype."""
    if low is not None and type(module) in (nn.LayerNorm, nn.Embedding) and (
            "forward" not in module.__dict__):
        module.forward = LowForward(module, low)
