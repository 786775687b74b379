"""``xpu-lite doctor``: checks an installation, and says for each fault what to do."""

import importlib.metadata
import os
import sys

OK, WARNING, FAILED = "ok", "warning", "FAILED"


class Finding(Exception):
    """What a check found: a status, what is so, and what to do about it."""

    def __init__(self, status: str, text: str, advice: str = ""):
        super().__init__(text)
        self.status, self.text, self.advice = status, text, advice


def check_version() -> str:
    """torch is the one that the package was built for"""
    import torch
    from torch_xpu_lite import _loader

    try:
        _loader.check_versions()
    except ImportError as error:
        raise Finding(
            FAILED, str(error), "install the torch that it names, or build xpu-lite again: pip install ."
        ) from None
    return f"torch {torch.__version__}"


def check_library() -> str:
    """the native part loads"""
    from torch_xpu_lite import _loader

    try:
        _loader.load()
    except (ImportError, RuntimeError) as error:
        raise Finding(
            FAILED, str(error), "pip install --force-reinstall --no-deps torch-xpu-lite"
        ) from None
    from torch_xpu_lite import _C

    return _C.__file__


def check_entry_point() -> str:
    """import torch loads the device by itself"""
    names = [entry.value for entry in importlib.metadata.entry_points(group="torch.backends")]
    if "torch_xpu_lite:_autoload" not in names:
        raise Finding(
            FAILED,
            "no entry point torch.backends -> torch_xpu_lite:_autoload",
            "the package is on the path but not installed: pip install it",
        )
    if os.environ.get("TORCH_DEVICE_BACKEND_AUTOLOAD", "1") != "1":
        raise Finding(
            WARNING,
            "TORCH_DEVICE_BACKEND_AUTOLOAD turns it off",
            "unset it, or write `import torch_xpu_lite` in the program",
        )
    if len(names) > 1:
        raise Finding(
            WARNING,
            f"more backends are installed: {', '.join(sorted(names))}",
            "PyTorch has one slot for all of them; uninstall what is not used",
        )
    return "entry point found"


def check_environment() -> str:
    """XPU_LITE_* variables are valid"""
    from torch_xpu_lite import _C

    try:
        _C._check_options()
    except (ValueError, RuntimeError) as error:
        raise Finding(FAILED, str(error), "correct or unset the variable") from None
    used = sorted(name for name in os.environ if name.startswith("XPU_LITE_"))
    return ", ".join(f"{name}={os.environ[name]}" for name in used) or "none is set"


def check_devices() -> str:
    """there is a device"""
    import torch

    try:
        count = torch.xpu_lite.device_count()
    except (ValueError, RuntimeError) as error:
        raise Finding(FAILED, str(error), "set XPU_LITE_DEVICES to what it lists") from None
    if count == 0:
        raise Finding(FAILED, "no device", "unset XPU_LITE_DEVICES, or set it to host")
    return f"{count}: {torch.xpu_lite.get_device_properties(0)!r}"


def check_computation() -> str:
    """a small computation equals the CPU's"""
    import torch

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(32, 16, generator=generator)
    weight = torch.randn(16, 8, generator=generator)

    def run(device):
        w = weight.to(device).requires_grad_()
        loss = torch.nn.functional.gelu(x.to(device) @ w).square().mean()
        loss.backward()
        return w.grad.cpu()

    try:
        difference = (run("xpu_lite") - run("cpu")).abs().max().item()
    except Exception as error:
        raise Finding(FAILED, f"{type(error).__name__}: {error}", "report this") from None
    if not difference < 1e-5:
        raise Finding(FAILED, f"differs by {difference:.3g}", "report this, with `xpu-lite info`")
    return f"largest difference {difference:.1e}"


def check_fork() -> str:
    """this process may use the device"""
    import torch

    if torch.xpu_lite._is_in_bad_fork():
        raise Finding(
            FAILED,
            "it was forked from a process that used the device",
            "use multiprocessing's start method 'spawn'",
        )
    return "yes"


def check_memory() -> str:
    """memory is free"""
    import torch

    free, total = torch.xpu_lite.mem_get_info()
    text = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB"
    if free < 256 * 2**20:
        raise Finding(WARNING, text, "end other programs, or raise XPU_LITE_MEMORY_LIMIT")
    return text


def check_openmp() -> str:
    """one OpenMP runtime is loaded"""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "/" in line}
    runtimes = sorted(
        path for path in paths
        if os.path.basename(path).startswith(("libgomp", "libiomp", "libomp"))
    )
    if len(runtimes) > 1:
        raise Finding(
            WARNING,
            f"several are loaded: {', '.join(runtimes)}",
            "each has its own threads, which then share the cores: use one PyTorch and one xpu-lite",
        )
    return ", ".join(runtimes) or "none"


# In order; a check after one that failed in NEEDED is not run.
CHECKS = [
    check_version, check_library, check_entry_point, check_environment, check_devices,
    check_computation, check_fork, check_memory, check_openmp,
]
NEEDED = {check_version, check_library, check_environment, check_devices}


def run() -> int:
    """Runs the checks and prints them. Returns 1 if one failed, else 0."""
    failed = False
    for check in CHECKS:
        try:
            status, text, advice = OK, check(), ""
        except Finding as finding:
            status, text, advice = finding.status, finding.text, finding.advice
        print(f"[{status:^7}] {check.__doc__}: {text}")
        if advice:
            print(f"          do: {advice}")
        failed |= status == FAILED
        if status == FAILED and check in NEEDED:
            print("          the checks after this one need it and were not run")
            break
    print("xpu-lite works" if not failed else "xpu-lite does not work here; see above")
    sys.stdout.flush()
    return 1 if failed else 0
