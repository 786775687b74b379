"""Layers in int8 and int4: :func:`quantize` and the modules that it puts in."""

from torch_xpu_lite.quantization.convolution import QuantizedConv2d
from torch_xpu_lite.quantization.modules import QuantizedLinear, WeightOnlyLinear
from torch_xpu_lite.quantization.quantize import quantize

__all__ = ["QuantizedConv2d", "QuantizedLinear", "WeightOnlyLinear", "quantize"]
