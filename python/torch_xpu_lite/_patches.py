"""The places in PyTorch that a device outside it cannot reach by registration.

Each patch names the reason and the versions that need it, and leaves every other
device's behaviour as it is.
"""

import functools

import torch
from torch_xpu_lite import _C

_NAME = "xpu_lite"
_DLPACK_CPU = 1  # kDLCPU of dlpack.h


def apply() -> None:
    """Applies all patches. Called once, by the loader."""
    if _dlpack_device_raises():
        _patch_dlpack_device()
    _patch_dlpack()
    _patch_ddp()
    _patch_printing()
    _patch_grad_scaler()
    from torch_xpu_lite import _autocast, _ipc, _parallel

    _autocast.patch()
    _ipc.register()
    _parallel.install()


def _dlpack_device_raises() -> bool:
    # torch 2.13 compares the device's name with "privateuse1", which no device has
    # once it is renamed (pytorch/pytorch#195815 mends it).
    return tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) <= (2, 13)


def _patch_dlpack_device() -> None:
    original = torch.Tensor.__dlpack_device__

    @functools.wraps(original)
    def __dlpack_device__(self):
        if self.device.type != _NAME:
            return original(self)
        from torch.utils.dlpack import DLDeviceType

        return DLDeviceType.kDLExtDev, self.device.index

    torch.Tensor.__dlpack_device__ = __dlpack_device__


def _patch_dlpack() -> None:
    """Two things that the protocol asks of the exporter, for this device alone.

    The consumer knows nothing of our streams, so queued work is finished first. And
    who asks for CPU memory (``numpy.from_dlpack(x, device="cpu")``) gets this memory
    without a copy, because the CPU can read it.
    """
    original = torch.Tensor.__dlpack__

    @functools.wraps(original)
    def __dlpack__(self, *, stream=-1, max_version=None, dl_device=None, copy=None):
        if self.device.type != _NAME:
            return original(
                self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
            )
        _C._synchronize(self.device.index)
        tensor = self
        _C._never_watch(self)  # the consumer may write to it at any time
        to_cpu = dl_device is not None and int(dl_device[0]) == _DLPACK_CPU
        if to_cpu and self.layout == torch.strided and not self.requires_grad:
            tensor = _C._cpu_alias(self)
        return original(tensor, max_version=max_version, dl_device=dl_device, copy=copy)

    torch.Tensor.__dlpack__ = __dlpack__


def _patch_ddp() -> None:
    """What DDP (2.13) says and allows of a group over ``xpulite``.

    bfloat16 compression hooks are for NCCL and XCCL only; it asks by the hook's name, so
    it is shown another one. Its logging data call every group of another backend "custom".
    """
    from torch.nn.parallel import DistributedDataParallel

    if not hasattr(DistributedDataParallel, "_check_comm_hook"):
        return
    original = DistributedDataParallel._check_comm_hook

    @functools.wraps(original)
    def _check_comm_hook(self, hook):
        if getattr(hook, "__name__", "").startswith("bf16_compress") and _over_xpulite(self):
            checked = functools.wraps(hook)(functools.partial(hook))
            checked.__name__ = "compress"
            return original(self, checked)
        return original(self, hook)

    DistributedDataParallel._check_comm_hook = _check_comm_hook
    logging_data = DistributedDataParallel._get_ddp_logging_data

    @functools.wraps(logging_data)
    def _get_ddp_logging_data(self):
        data = logging_data(self)
        if data.get("backend_name") == "custom" and _over_xpulite(self):
            data["backend_name"] = "xpulite"
        return data

    DistributedDataParallel._get_ddp_logging_data = _get_ddp_logging_data


def _over_xpulite(ddp) -> bool:
    backend = ddp.process_group._get_backend(torch.device(ddp.device_type))
    backend = getattr(backend, "wrapped_pg", backend)  # TORCH_DISTRIBUTED_DEBUG=DETAIL
    return backend.name() == "xpulite"


def _patch_printing() -> None:
    """Printing looks at the values in float64 (but for a few devices, by name): a GPU that
    has none could not print a float32 tensor. The range is worked out by the CPU instead."""
    from torch import _tensor_str

    original = _tensor_str.tensor_totype

    @functools.wraps(original)
    def tensor_totype(tensor):
        return original(tensor.cpu() if tensor.device.type == _NAME else tensor)

    _tensor_str.tensor_totype = tensor_totype


class _ScaleInFloat32:
    """A loss scale whose ``double()`` is itself: scales are powers of two, as a rule, and
    their reciprocals are exact in float32."""

    def __init__(self, scale):
        self._scale, self.device = scale, scale.device

    def double(self):
        return self._scale


def _patch_grad_scaler() -> None:
    """``GradScaler.unscale_`` takes a reciprocal in float64 (but on one device, by name):
    a GPU that has none could not train with it."""
    original = torch.amp.GradScaler.unscale_

    @functools.wraps(original)
    def unscale_(self, optimizer):
        scale = self._scale
        if (scale is None or scale.device.type != _NAME
                or torch.xpu_lite.get_device_properties(scale.device).has_fp64):
            return original(self, optimizer)
        self._scale = _ScaleInFloat32(scale)
        try:
            return original(self, optimizer)
        finally:
            self._scale = scale

    torch.amp.GradScaler.unscale_ = unscale_
