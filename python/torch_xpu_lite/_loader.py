"""Makes the device known to PyTorch, once per process.

The version check comes before any native library is touched: a library built for
another torch would fail with an undefined symbol, or worse, load.
"""

import torch

NAME = "xpu_lite"

_loaded = False


def load() -> None:
    """Loads the native part and registers names, module and methods.

    Raises:
        ImportError: wrong torch version, native part missing or unloadable.
        RuntimeError: another PrivateUse1 backend is registered in this process.
    """
    global _loaded
    if _loaded:
        return
    check_versions()
    _rename()
    _import_native()
    from torch_xpu_lite import xpu_lite

    if getattr(torch, NAME, None) is not xpu_lite:
        torch._register_device_module(NAME, xpu_lite)
    if not hasattr(torch.Tensor, f"is_{NAME}"):
        torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
    # PyTorch's default for this kind of device is float16, which x86 computes
    # slowly; bfloat16 is what its units take.
    torch.set_autocast_dtype(NAME, torch.bfloat16)

    from torch_xpu_lite import _patches, distributed

    _patches.apply()
    distributed.register()
    _loaded = True


def check_versions() -> None:
    """Compares the torch of the build with the torch that is running.

    Raises:
        ImportError: they differ in the minor version, or there was no build.
    """
    try:
        from torch_xpu_lite import _build_info as build
    except ImportError:
        raise ImportError(
            "torch_xpu_lite is not built: its folder has no _build_info.py. "
            "Run `pip install .` in the source tree, or install a wheel."
        ) from None
    if _minor(build.TORCH_VERSION) != _minor(torch.__version__):
        raise ImportError(
            f"torch_xpu_lite {build.VERSION} was built for torch "
            f"{_minor(build.TORCH_VERSION)} but torch {torch.__version__} is installed; "
            f"install torch=={_minor(build.TORCH_VERSION)}.* or a torch-xpu-lite for "
            f"torch {_minor(torch.__version__)}"
        )


def _minor(version: str) -> str:
    return ".".join(str(version).split("+")[0].split(".")[:2])


def _rename() -> None:
    current = torch._C._get_privateuse1_backend_name()
    if current not in ("privateuseone", NAME):
        raise RuntimeError(
            f"torch_xpu_lite cannot load: the backend {current!r} already uses "
            "PyTorch's PrivateUse1 slot, and a process has only one. Uninstall one of "
            "the two, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0 and import the one you want."
        )
    torch.utils.rename_privateuse1_backend(NAME)


def _import_native() -> None:
    try:
        from torch_xpu_lite import _C  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"torch_xpu_lite: the native part cannot be loaded: {error}. "
            "`TORCH_DEVICE_BACKEND_AUTOLOAD=0 xpu-lite doctor` looks for the cause."
        ) from error
