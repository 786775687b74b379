"""``xpu-lite info``: what this installation is and what it sees."""

import importlib.metadata
import platform
import sys

# Extra of pip, a distribution it brings, what it is for.
_EXTRAS = [
    ("xpu", "intel-sycl-rt", "the SYCL engine: Intel GPUs, the OpenCL CPU device"),
    ("xpu", "onednn", "fast matrix products and convolutions of the SYCL engine"),
    ("xpu", "dpctl", "SYCL queues and arrays shared with other packages"),
    ("examples", "transformers", "the examples and the demo"),
    ("dev", "pytest", "the tests"),
]


def _heading(text: str) -> None:
    print(f"\n{text}")


def _row(name: str, value) -> None:
    print(f"  {name:24} {value}")


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def run() -> int:
    """Prints the report. Returns 1 if the device cannot be loaded or used, else 0."""
    import torch

    print("xpu-lite: the PyTorch device xpu_lite")
    _heading("Versions")
    _row("python", f"{platform.python_version()} ({platform.platform()})")
    _row("torch", torch.__version__)
    try:
        from torch_xpu_lite import _build_info as build

        _row("xpu-lite", build.VERSION)
        _row("built for torch", build.TORCH_VERSION)
        _row("built with", f"{build.COMPILER}, {build.BUILD_TYPE}, {build.BUILD_DATE}")
        from torch_xpu_lite import _loader

        _loader.load()
        from torch_xpu_lite import _C

        _print_device(torch, _C)
    except (ImportError, RuntimeError, ValueError) as error:
        print(f"\nThe device cannot be used: {error}\n`xpu-lite doctor` says more.", file=sys.stderr)
        return 1
    _heading("Optional parts")
    for extra, distribution, purpose in _EXTRAS:
        try:
            importlib.metadata.version(distribution)
            _row(distribution, f"installed ({purpose})")
        except importlib.metadata.PackageNotFoundError:
            _row(distribution, f"missing ({purpose}): pip install 'torch-xpu-lite[{extra}]'")
    return 0


def _print_device(torch, native) -> None:
    _heading("Processor")
    _row("name", native._cpu_name())
    _row("instruction sets", f"{native._isa()} in use, {native._hardware_isa()} in hardware")
    _row("AMX tiles", f"not used: {reason}" if (reason := native._no_tiles_because()) else "usable")
    _row("threads", torch.get_num_threads())
    _heading(f"Devices (engine: {native._engine_kind()})")
    for index in range(torch.xpu_lite.device_count()):
        properties = torch.xpu_lite.get_device_properties(index)
        free, total = torch.xpu_lite.mem_get_info(index)
        _row(
            f"xpu_lite:{index}",
            f"{properties.name}, {properties.isa}, {properties.cores} cores, "
            f"{_gib(free)} free of {_gib(total)}",
        )
    _heading("SYCL devices")
    for line in native._describe_engines():
        print(f"  {line}")
    _heading("Options (environment variables)")
    for name, allowed, meaning, value in native._describe_options():
        _row(name, f"{value or '(not set)'}")
        print(f"  {'':24} {meaning} [{allowed}]")
