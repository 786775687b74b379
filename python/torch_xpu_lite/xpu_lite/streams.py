"""Streams and events.

The default stream runs work at once on the calling thread while nothing is
queued on it; every other stream has a worker thread of its own.
"""

import torch
from torch_xpu_lite import _C
from torch_xpu_lite.xpu_lite._utils import NAME, _get_device_index
from torch_xpu_lite.xpu_lite.devices import device as _device_guard

_DEVICE_TYPE = int(torch._C._autograd.DeviceType.PrivateUse1)


class Stream(torch.Stream):
    """An ordered queue of work, which runs beside other streams.

    Args:
        device: on which device; the current one by default.
        priority: negative is urgent, 0 (default) is not.
        cores: numbers of the processor cores that this stream's work may use. Such a
            stream is made for the caller and lives until the process ends; without
            ``cores`` it comes from a pool of 32 per device and priority.

    Raises:
        ValueError: no such device, or cores that the device does not own.
    """

    def __new__(cls, device=None, priority: int = 0, cores=None, **kwargs):
        if "stream_id" in kwargs:
            kwargs.setdefault("device_type", _DEVICE_TYPE)
            return super().__new__(cls, **kwargs)
        index = _get_device_index(device, optional=True)
        if index < 0:
            index = _C._current_device()
        stream_id = _C._make_stream(index, priority, list(cores or ()))
        return super().__new__(
            cls, stream_id=stream_id, device_index=index, device_type=_DEVICE_TYPE
        )

    @property
    def priority(self) -> int:
        return _C._stream_priority(self.device_index, self.stream_id)

    @property
    def cores(self) -> list:
        """Cores that the stream was given; empty if it was given none."""
        return _C._stream_cores(self.device_index, self.stream_id)

    @property
    def sycl_queue(self):
        """The stream's own in-order queue as a ``dpctl.SyclQueue`` (SYCL engine only): what is
        submitted to it is ordered with the stream's work.

        Raises:
            RuntimeError: the SYCL engine is not in use.
            ImportError: dpctl is not installed.
        """
        from torch_xpu_lite import interop

        return interop.sycl_queue(self)

    @staticmethod
    def priority_range() -> tuple:
        """(least, greatest) priority."""
        return 0, -1

    def record_event(self, event=None):
        """Marks the present end of the stream in ``event`` (a new one by default)."""
        if event is None:
            event = Event()
        event.record(self)
        return event

    def wait_event(self, event) -> None:
        """Later work of this stream waits for ``event``. Returns at once."""
        event.wait(self)

    def wait_stream(self, stream) -> None:
        """Later work of this stream waits for what ``stream`` has queued now."""
        self.wait_event(stream.record_event())

    def __repr__(self) -> str:
        return f"<torch.xpu_lite.Stream device={self.device} id={self.stream_id}>"


class _EventType(type):
    def __instancecheck__(cls, obj) -> bool:
        return super().__instancecheck__(obj) or (
            cls is Event and type(obj) is torch.Event and obj.device.type == NAME
        )


class Event(torch.Event, metaclass=_EventType):
    """A mark in a stream. Gives a ``torch.Event`` of this device.

    Args:
        enable_timing: lets ``elapsed_time`` (milliseconds) be asked for.
        blocking: accepted for compatibility; waiting never spins.
        interprocess: not supported.

    Raises:
        NotImplementedError: ``interprocess=True``.
    """

    # torch.Stream and torch.Event take exact torch.Event objects and no subclass.
    def __new__(cls, enable_timing=False, blocking=False, interprocess=False, device=None):
        if interprocess:
            raise NotImplementedError(
                "torch.xpu_lite.Event: interprocess=True is not supported; synchronize "
                "before the tensor is sent to the other process"
            )
        return torch.Event(device or NAME, enable_timing=enable_timing, blocking=blocking)


def _wrap(index: int, stream_id: int) -> Stream:
    return Stream(stream_id=stream_id, device_index=index, device_type=_DEVICE_TYPE)


def current_stream(device=None) -> Stream:
    """The calling thread's current stream of a device."""
    index = _get_device_index(device, optional=True)
    return _wrap(index, _C._current_stream(index))


def default_stream(device=None) -> Stream:
    """The default stream of a device."""
    index = _get_device_index(device, optional=True)
    return _wrap(index, _C._default_stream(index))


def set_stream(stream) -> None:
    """Makes ``stream`` current, and its device too. ``None`` does nothing.

    Raises:
        ValueError: a stream of another type of device, or one that does not exist.
    """
    if stream is None:
        return
    if stream.device.type != NAME:
        raise ValueError(f"set_stream: expected a {NAME} stream, got one of {stream.device}")
    _C._set_current_stream(stream.device_index, stream.stream_id)
    _C._set_device(stream.device_index)


def _set_stream_by_id(stream_id, device_index, device_type) -> None:
    set_stream(Stream(stream_id=stream_id, device_index=device_index, device_type=device_type))


class StreamContext:
    """Context manager: ``stream`` is current inside. See :func:`stream`."""

    def __init__(self, stream):
        self.stream = stream
        self._guard = None
        self._previous = None

    def __enter__(self):
        if self.stream is None:
            return self
        if self.stream.device.type != NAME:
            raise ValueError(
                f"stream(): expected a {NAME} stream, got one of {self.stream.device}"
            )
        self._guard = _device_guard(self.stream.device)
        self._guard.__enter__()
        try:
            self._previous = current_stream()
            set_stream(self.stream)
        except BaseException:
            self._guard.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.stream is not None:
            set_stream(self._previous)
            self._guard.__exit__()
        return False


def stream(stream) -> StreamContext:
    """Work inside ``with stream(s):`` goes to ``s``. ``None`` changes nothing."""
    return StreamContext(stream)


def is_current_stream_capturing() -> bool:
    """False: this device does not capture graphs."""
    return False


def _sleep(cycles: int) -> None:
    """Keeps the current stream busy for ``cycles`` nanoseconds. For tests."""
    device_index = _C._current_device()
    _C._sleep(device_index, int(cycles))
