"""torch's module of distributed tests with "cuda" read as "xpu_lite".

Two thirds of the tests are written for CUDA devices and skipped without. Here the
module's source is read with the device's name in place of CUDA's, and helpers that
count GPUs count the device's, so the same tests run on xpu_lite.
"""

import functools
import importlib.util
import os
import re
import sys

NAME = "torch.testing._internal.distributed.distributed_test"
READ_AS = [
    (r"import torch\.cuda\n", "import torch.xpu_lite\n"),
    (r"from torch\.cuda\.amp import autocast, GradScaler",
     "from as_accelerator import autocast, GradScaler"),
    (r"\btorch\.cuda\.", "torch.xpu_lite."),
    (r"\.cuda\(", ".xpu_lite("),
    (r"backend=(\"nccl\"|dist\.Backend\.NCCL)", "backend=\"xpulite\""),
    (r"([\"'])cuda\b", r"\1xpu_lite"),
    (r"\bDeviceType\.CUDA\b", "DeviceType.PrivateUse1"),
    (r"\bProfilerActivity\.CUDA\b", "ProfilerActivity.PrivateUse1"),
]


def autocast(*args, **kwargs):
    """torch.cuda.amp.autocast for the device."""
    import torch
    return torch.amp.autocast("xpu_lite", *args, **kwargs)


def GradScaler(*args, **kwargs):
    """torch.cuda.amp.GradScaler for the device."""
    import torch
    return torch.amp.GradScaler("xpu_lite", *args, **kwargs)


def import_tests():
    """The module, under torch's name for it (its classes are pickled)."""
    _count_devices()
    spec = importlib.util.find_spec(NAME)
    with open(spec.origin) as file:
        source = file.read()
    for pattern, replacement in READ_AS:
        source = re.sub(pattern, replacement, source)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


def _count_devices():
    import torch
    from torch.testing._internal import common_distributed as common
    features = common.DistTestCases.backend_feature
    features["xpu_lite"] = features["cuda"]

    def enough(count, message):
        if torch.xpu_lite.device_count() < count:
            sys.exit(common.TEST_SKIPS[message].exit_code)

    def decorator(count, message):
        def decorate(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                enough(count() if callable(count) else count, message)
                return function(*args, **kwargs)
            return wrapper
        return decorate

    def at_least(count, *args, **kwargs):
        return decorator(count, f"multi-gpu-{count}")

    common.skip_if_lt_x_gpu = at_least
    common.require_n_gpus_for_nccl_backend = lambda count, backend: at_least(count)
    common.nccl_skip_if_lt_x_gpu = lambda backend, count: at_least(count)
    common.skip_if_no_gpu = decorator(lambda: int(os.environ["WORLD_SIZE"]), "no_cuda")
    common.init_multigpu_helper = lambda world, backend: {r: [r] for r in range(world)}
