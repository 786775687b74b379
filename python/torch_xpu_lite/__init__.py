"""xpu-lite: the PyTorch device ``"xpu_lite"``.

After installation ``import torch`` is enough: PyTorch finds this package by its
entry point and calls :func:`_autoload`. With ``TORCH_DEVICE_BACKEND_AUTOLOAD=0``,
``import torch_xpu_lite`` does the same. The device's Python API is
``torch.xpu_lite``.
"""

__all__ = ["__version__", "xpu_lite"]


# Defined before torch is imported: `import torch_xpu_lite` imports torch, torch
# looks for this name in the half-imported package.
def _autoload() -> None:
    """Registers the device with PyTorch. Calling it again does nothing.

    Raises:
        ImportError: the package was built for another minor version of torch, or
            its native part is missing.
    """
    from torch_xpu_lite import _loader

    _loader.load()


def __getattr__(name: str):
    if name == "__version__":
        from torch_xpu_lite._build_info import VERSION

        return VERSION
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


import torch  # noqa: E402, F401

_autoload()
