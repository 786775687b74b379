"""Devices: how many, which one is current, what they are."""

import functools
from dataclasses import dataclass

import torch
from torch_xpu_lite import _C
from torch_xpu_lite.xpu_lite._utils import _get_device_index


@dataclass(frozen=True)
class DeviceProperties:
    """What a device is. Sizes are in bytes."""

    name: str  #: name of the processor
    vendor: str
    engine: str  #: "host", ...
    isa: str  #: highest instruction set in use, e.g. "AVX512_BF16"
    total_memory: int
    cores: int
    core_ids: tuple  #: cores that the device owns
    major: int
    minor: int
    has_fp64: bool
    has_fp16: bool
    has_bf16: bool

    @property
    def multi_processor_count(self) -> int:
        """The number of cores, by the name that generic code asks for."""
        return self.cores

    def __repr__(self) -> str:
        return (
            f"DeviceProperties(name={self.name!r}, engine={self.engine!r}, "
            f"isa={self.isa!r}, total_memory={self.total_memory // 2**20}MB, "
            f"cores={self.cores})"
        )


def is_available() -> bool:
    """Whether there is a device. Never raises and initialises nothing."""
    try:
        return _C._device_count() > 0
    except (ValueError, RuntimeError):
        return False


def device_count() -> int:
    """Number of devices.

    Raises:
        ValueError: ``XPU_LITE_DEVICES`` or another ``XPU_LITE_*`` variable is wrong.
    """
    return _C._device_count()


def current_device() -> int:
    """Index of the calling thread's current device."""
    return _C._current_device()


def set_device(device) -> None:
    """Makes ``device`` the calling thread's current one. A negative index does nothing.

    Raises:
        ValueError: there is no such device.
    """
    index = _get_device_index(device, optional=True)
    if index >= 0:
        _C._set_device(index)


class device:
    """Context manager: ``device`` is current inside. ``None`` or -1 changes nothing."""

    def __init__(self, device):
        self.idx = -1 if device is None else _get_device_index(device)
        self.prev_idx = -1

    def __enter__(self):
        self.prev_idx = _C._maybe_exchange_device(self.idx)
        return self

    def __exit__(self, *_):
        if self.idx >= 0:
            _C._maybe_exchange_device(self.prev_idx)
        return False


class device_of(device):
    """Context manager: the device of a tensor or storage is current inside.

    Does nothing for an object on another type of device.
    """

    def __init__(self, obj):
        super().__init__(obj.get_device() if obj.is_xpu_lite else -1)


@functools.lru_cache(maxsize=None)
def _properties(index: int) -> DeviceProperties:
    fields = _C._device_properties(index)
    fields["core_ids"] = tuple(fields["core_ids"])
    return DeviceProperties(**fields)


def get_device_properties(device=None) -> DeviceProperties:
    """Properties of a device; of the current one by default."""
    return _properties(_get_device_index(device, optional=True))


def get_device_name(device=None) -> str:
    """Name of the processor."""
    return get_device_properties(device).name


def get_device_capability(device=None) -> tuple:
    """(major, minor) of the engine's capability."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def can_device_access_peer(device, peer_device) -> bool:
    """Whether ``device`` can read the memory of ``peer_device`` directly."""
    return _C._can_access_peer(
        _get_device_index(device, optional=True), _get_device_index(peer_device)
    )


def get_arch_list() -> list:
    """Instruction sets in use, one per device."""
    return [_properties(index).isa for index in range(device_count())]


def supports(feature: str) -> bool:
    """Whether the engine offers a feature.

    ``"host_readable_memory"``, ``"host_tasks"``, ``"core_sets"`` or ``"priorities"``.

    Raises:
        ValueError: no such feature.
    """
    features = _C._features()
    if feature not in features:
        raise ValueError(f"unknown feature {feature!r}; known are {', '.join(features)}")
    return features[feature]


def synchronize(device=None) -> None:
    """Waits for all work of all streams of a device.

    Raises:
        RuntimeError: queued work failed; the message is that of the first failure.
    """
    _C._synchronize(_get_device_index(device, optional=True))


def init() -> None:
    """Initialises the device now. It would happen by itself at the first use.

    Raises:
        RuntimeError: in a process forked from one that already used the device.
    """
    _C._initialize()


_lazy_init = init


def _lazy_call(function, **_) -> None:
    # Nothing has to be put off: what generic code passes here (seeding) does not
    # need an initialised device.
    function()


def is_initialized() -> bool:
    """Whether the device was used, or initialised, in this process."""
    return _C._is_initialized() and not _C._in_bad_fork()


def _is_in_bad_fork() -> bool:
    return _C._in_bad_fork()


def _exchange_device(index: int) -> int:
    return _C._exchange_device(index)


def _maybe_exchange_device(index: int) -> int:
    return _C._maybe_exchange_device(index)


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether bfloat16 works; without emulation, whether the processor computes it."""
    if including_emulation:
        return True
    return _C._isa() in ("AVX512_BF16", "AVX512_FP16", "AMX")


def is_tf32_supported() -> bool:
    """False: x86 has no TF32."""
    return False


def get_amp_supported_dtype() -> list:
    """Dtypes that ``torch.autocast("xpu_lite")`` accepts."""
    return [torch.bfloat16, torch.float16]
