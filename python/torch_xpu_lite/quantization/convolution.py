"""The module that stands where a convolution and its batch norm stood."""

import torch

from torch_xpu_lite.quantization import weights
from torch_xpu_lite.quantization.modules import _Quantized
from torch_xpu_lite.quantization.observers import scale_and_zero


class QuantizedConv2d(_Quantized):
    """A two-dimensional convolution with int8 weights and 8-bit inputs, summed in int32.

    Made by :func:`torch_xpu_lite.quantize`. The input may be float32, bfloat16 or float16, of
    shape [batch, in_channels, height, width]; the result is of the input's dtype (of autocast's
    inside autocast) and has channels last. After :func:`torch_xpu_lite.optimize` values between
    such layers stay 8-bit.

    Args:
        conv: the nn.Conv2d to replace, of one group, with zero padding.
        input_range: (low, high) of the inputs.
        norm: the nn.BatchNorm2d that followed, with running statistics, or None. It is
            folded into the weights.
    """

    _kept_float32 = ("weight_scale", "input_scale", "bias")

    def __init__(self, conv, input_range, norm=None):
        super().__init__()
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.kernel_size, self.stride = tuple(conv.kernel_size), tuple(conv.stride)
        self.padding, self.dilation = tuple(conv.padding), tuple(conv.dilation)
        weight, bias = _folded(conv, norm)
        q, scale = weights.rows_to_int8(weight.flatten(1))
        self.register_buffer("qweight", q.view(weight.shape))
        self.register_buffer("weight_scale", scale)
        step, zero = scale_and_zero(*input_range)
        self.register_buffer("input_scale", torch.tensor([step], device=q.device))
        self.register_buffer("input_zero", torch.tensor([zero], dtype=torch.int32, device=q.device))
        self.register_buffer("bias", bias)
        torch.nn.Module.train(self, False)

    @property
    def weight(self):
        """The weight that the integers stand for, float32 [out, in, height, width]."""
        return self.qweight.float() * self.weight_scale[:, None, None, None]

    def forward(self, input):
        return torch.ops.xpu_lite.int8_convolution(
            input, self.qweight, self.weight_scale, self.bias, self.stride, self.padding,
            self.dilation, input_scale=self.input_scale, input_zero=self.input_zero)

    def extra_repr(self):
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
                f"bias={self.bias is not None}, int8, static")


def _folded(conv, norm):
    """Weight and bias, float32, of the convolution and the batch norm after it."""
    weight = conv.weight.detach().float()
    bias = None if conv.bias is None else conv.bias.detach().float().clone()
    if norm is None:
        return weight, bias
    scale = torch.rsqrt(norm.running_var.float() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach().float()
    shift = -norm.running_mean.float() if bias is None else bias - norm.running_mean.float()
    shift = shift * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach().float()
    return weight * scale[:, None, None, None], shift
