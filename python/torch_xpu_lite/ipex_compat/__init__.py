"""The names of Intel Extension for PyTorch, on this device.

    import torch_xpu_lite.ipex_compat as ipex     # was: import intel_extension_for_pytorch as ipex

Scripts for IPEX keep their models and tensors on the CPU. Here :func:`optimize` moves the
model to ``"xpu_lite"`` and lets its ``forward`` take CPU tensors and give CPU tensors;
``torch.autocast("cpu")`` around a call holds for it. docs/ipex.md has the whole table.
"""

from torch_xpu_lite.ipex_compat import cpu, llm, quantization
from torch_xpu_lite.ipex_compat.front_end import (
    FP32MathMode,
    disable_auto_channels_last,
    enable_auto_channels_last,
    enable_onednn_fusion,
    fast_bert,
    optimize,
    set_fp32_math_mode,
    verbose,
)

__all__ = ["FP32MathMode", "cpu", "disable_auto_channels_last", "enable_auto_channels_last",
           "enable_onednn_fusion", "fast_bert", "llm", "optimize", "quantization",
           "set_fp32_math_mode", "verbose"]


def __getattr__(name):
    raise AttributeError(f"torch_xpu_lite.ipex_compat has no {name!r}; docs/ipex.md lists what there is "
                         "for each name of Intel Extension for PyTorch")
