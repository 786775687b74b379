"""xpu-lite: the PyTorch device ``"xpu_lite"``.

After installation ``import torch`` is enough: PyTorch finds this package by its
entry point and calls :func:`_autoload`. With ``TORCH_DEVICE_BACKEND_AUTOLOAD=0``,
``import torch_xpu_lite`` does the same. The device's Python API is
``torch.xpu_lite``.
"""

import os
import sys

__all__ = ["PagedCache", "__version__", "ipex_compat", "optim", "optimize", "quantization", "quantize", "runtime",
           "sycl", "xpu_lite"]

# Only programs that use them pay for them.
_LAZY_MODULES = ("ipex_compat", "optim", "quantization", "runtime", "sycl")
_LAZY_NAMES = {"PagedCache": "paged_cache", "optimize": "optimization",
               "quantize": "quantization"}  # name: module


def _is_command() -> bool:
    # `xpu-lite` examines installations that do not load, so it loads the device
    # itself, and catches what goes wrong.
    arguments = sys.orig_argv
    return os.path.basename(sys.argv[0] or "") == "xpu-lite" or any(
        pair == ("-m", "torch_xpu_lite") for pair in zip(arguments, arguments[1:])
    )


# Defined before torch is imported: `import torch_xpu_lite` imports torch, torch
# looks for this name in the half-imported package.
def _autoload() -> None:
    """Registers the device with PyTorch. Calling it again does nothing.

    Raises:
        ImportError: the package was built for another minor version of torch, or
            its native part is missing.
    """
    if _is_command():
        return
    from torch_xpu_lite import _loader

    _loader.load()


def __getattr__(name: str):
    if name == "__version__":
        from torch_xpu_lite._build_info import VERSION

        return VERSION
    if name in _LAZY_MODULES or name in _LAZY_NAMES:
        import importlib

        module = importlib.import_module(f"torch_xpu_lite.{_LAZY_NAMES.get(name, name)}")
        return getattr(module, name) if name in _LAZY_NAMES else module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


import torch  # noqa: E402, F401

_autoload()
