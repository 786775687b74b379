"""The modules that stand where linear layers stood."""

import torch
from torch import nn

from torch_xpu_lite.quantization import weights


class _Quantized(nn.Module):
    """What both kinds share: numbers that `module.to(dtype)` must not round."""

    _kept_float32 = ()

    def _apply(self, fn, recurse=True):
        before = {name: getattr(self, name) for name in self._kept_float32}
        super()._apply(fn, recurse)
        for name, old in before.items():
            new = getattr(self, name)
            if old is not None and new.dtype != torch.float32:
                setattr(self, name, old.to(new.device))
        return self

    def train(self, mode=True):
        """Refuses mode=True: integers have no gradients."""
        if mode:
            raise RuntimeError(
                f"{type(self).__name__} is for inference: a quantized model cannot be trained. "
                "Train the model before quantize(), and call eval()."
            )
        return super().train(False)

    def extra_repr(self):
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")


class QuantizedLinear(_Quantized):
    """A linear layer with int8 weights and 8-bit inputs, summed in int32.

    Made by :func:`torch_xpu_lite.quantize`. The input may be float32, bfloat16 or float16, of
    shape [..., in_features]; the result is of the input's dtype (of autocast's inside autocast),
    [..., out_features].

    Args:
        linear: the nn.Linear to replace.
        input_range: (low, high) of the inputs, for a scale that is kept (static); None: each
            row of the input is quantized by its own range (dynamic).
        smooth: float32 [in_features] to divide the input by and multiply the weight's columns
            with, or None.
    """

    _kept_float32 = ("weight_scale", "input_scale", "input_factor")

    def __init__(self, linear, input_range=None, smooth=None):
        super().__init__()
        from torch_xpu_lite.quantization.observers import scale_and_zero

        weight = linear.weight.detach()
        self.out_features, self.in_features = weight.shape
        if smooth is not None:
            smooth = smooth.to(weight.device, torch.float32)
            weight = weight.float() * smooth
        q, scale = weights.rows_to_int8(weight)
        self.register_buffer("qweight", q)
        self.register_buffer("weight_scale", scale)
        factor = None if smooth is None else smooth.reciprocal()
        self.register_buffer("input_factor", factor)
        step = zero = None
        if input_range is not None:
            step, zero = scale_and_zero(*input_range)
            step = torch.tensor([step], dtype=torch.float32, device=q.device)
            zero = torch.tensor([zero], dtype=torch.int32, device=q.device)
        self.register_buffer("input_scale", step)
        self.register_buffer("input_zero", zero)
        bias = linear.bias
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        super().train(False)

    @property
    def weight(self):
        """The weight that the integers stand for, float32 [out_features, in_features]."""
        weight = self.qweight.float() * self.weight_scale[:, None]
        return weight if self.input_factor is None else weight * self.input_factor

    def forward(self, input, *, activation="none", add=None, add_first=False, mul=None):
        """See ``torch.ops.xpu_lite.linear`` for the keyword arguments."""
        return torch.ops.xpu_lite.int8_linear(
            input, self.qweight, self.weight_scale, self.bias, input_scale=self.input_scale,
            input_zero=self.input_zero, input_factor=self.input_factor, activation=activation,
            add=add, add_first=add_first, mul=mul)

    def extra_repr(self):
        kind = "dynamic" if self.input_scale is None else "static"
        smooth = "" if self.input_factor is None else ", smooth"
        return f"{super().extra_repr()}, int8, {kind}{smooth}"


class WeightOnlyLinear(_Quantized):
    """A linear layer with int8 or int4 weights and inputs as they are.

    Made by :func:`torch_xpu_lite.quantize`. A few rows of input (decoding) run at the speed at
    which the integers come from memory. Input and result as those of nn.Linear.

    Args:
        linear: the nn.Linear to replace.
        bits: 8 or 4.
        group_size: input features that share a scale.
        symmetric: no zero points: faster by a little, less exact.
    """

    _kept_float32 = ("scale", "zero")

    def __init__(self, linear, bits=4, group_size=64, symmetric=False):
        super().__init__()
        weight = linear.weight.detach()
        self.out_features, self.in_features = weight.shape
        self.bits = bits
        self.group_size = min(group_size, -(-self.in_features // 8) * 8)
        q, scale, zero = weights.groups_to_ints(weight, bits, self.group_size, symmetric)
        self.register_buffer("qweight", q)
        self.register_buffer("scale", scale)
        self.register_buffer("zero", zero)
        bias = linear.bias
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        super().train(False)

    @property
    def weight(self):
        """The weight that the integers stand for, float32 [out_features, in_features]."""
        return weights.ints_to_floats(self.qweight, self.scale, self.zero, self.group_size)

    def forward(self, input, *, activation="none", add=None, add_first=False, mul=None):
        """See ``torch.ops.xpu_lite.linear`` for the keyword arguments."""
        return torch.ops.xpu_lite.weight_only_linear(
            input, self.qweight, self.scale, self.zero, self.bias, group=self.group_size,
            activation=activation, add=add, add_first=add_first, mul=mul)

    def extra_repr(self):
        return f"{super().extra_repr()}, int{self.bits}, group_size={self.group_size}"
