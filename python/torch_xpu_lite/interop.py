"""Sharing memory and queues with other SYCL libraries (dpctl, dpnp): nothing is copied.

    >>> queue = torch.xpu_lite.current_stream().sycl_queue       # a dpctl.SyclQueue
    >>> x = interop.from_usm(array)         # a tensor over a USM array's memory
    >>> memory = interop.to_usm(x)          # a dpctl.memory object over a tensor's

Order. A queue taken from a stream is the stream's own: what is submitted to it runs
after the stream's work and before what comes later. Work of other queues is put in
order by :func:`wait_for_queue` and :func:`release_to_queue`; :func:`from_usm` does the
first for the queue that the array names.

Needs the SYCL engine: ``XPU_LITE_DEVICES=level_zero:gpu`` or ``opencl:cpu``.
"""

import ctypes
import math

import torch
from torch_xpu_lite import _loader

__all__ = ["dlpack", "from_usm", "release_to_queue", "sycl_queue", "to_usm", "wait_for_queue"]

_INSTALL = "pip install dpctl"
_ONEAPI, _EXT_DEV = 14, 12  # kDLOneAPI, kDLExtDev of dlpack.h
_KINDS = {1: "host", 2: "device", 3: "shared"}
_TYPES = {  # typestr of the USM array interface, without the byte order
    "b1": torch.bool, "u1": torch.uint8, "i1": torch.int8, "i2": torch.int16,
    "i4": torch.int32, "i8": torch.int64, "u2": torch.uint16, "u4": torch.uint32,
    "u8": torch.uint64, "f2": torch.float16, "f4": torch.float32, "f8": torch.float64,
    "c8": torch.complex64, "c16": torch.complex128,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


def sycl_queue(stream=None):
    """The ``dpctl.SyclQueue`` of a stream (the current one by default). It is the
    stream's own in-order queue, not a copy. Also ``stream.sycl_queue``.

    Raises:
        RuntimeError: the SYCL engine is not in use.
        ImportError: dpctl is not installed.
    """
    if stream is None:
        stream = torch.xpu_lite.current_stream()
    library = _library()
    dpctl = _dpctl()
    address = ctypes.c_void_p()
    _check(library.xpu_lite_interop_queue(stream.device_index, stream.stream_id,
                                          ctypes.byref(address)))
    # dpctl copies the queue (a reference to the same one) out of the capsule.
    return dpctl.SyclQueue(_capsule(address.value))


def wait_for_queue(queue, stream=None) -> None:
    """Later work of ``stream`` (the current one by default) waits for what ``queue``, a
    ``dpctl.SyclQueue``, has now. Returns at once.

    Raises:
        TypeError: ``queue`` is not a ``dpctl.SyclQueue``.
        RuntimeError: the SYCL engine is not in use.
    """
    _order("wait", queue, stream)


def release_to_queue(queue, stream=None) -> None:
    """Later work of ``queue``, a ``dpctl.SyclQueue``, waits for what ``stream`` (the
    current one by default) has now. Returns at once.

    Raises:
        TypeError: ``queue`` is not a ``dpctl.SyclQueue``.
        RuntimeError: the SYCL engine is not in use, or the queue is of another context.
    """
    _order("release", queue, stream)


def from_usm(array) -> torch.Tensor:
    """A tensor over the memory of ``array``, which has ``__sycl_usm_array_interface__``
    (dpctl.memory, dpctl.tensor, dpnp) or gives a oneAPI DLPack capsule. Not copied; the
    tensor keeps ``array`` alive. The current stream waits for the queue that the array
    names; when the last tensor over it goes, the device is synchronised first.

    Raises:
        TypeError: no USM array, or a dtype that torch lacks.
        ValueError: memory of another SYCL context, strides that torch cannot express, or
            memory that may not be written.
        RuntimeError: the SYCL engine is not in use.
    """
    _library()
    try:
        interface = array.__sycl_usm_array_interface__
    except AttributeError:
        if hasattr(array, "__dlpack__") and not isinstance(array, torch.Tensor):
            return _from_dlpack(array)
        raise TypeError(
            f"from_usm: {type(array).__name__} has no __sycl_usm_array_interface__ and no "
            "__dlpack__: a dpctl or dpnp array is needed") from None
    return _from_interface(array, interface)


def to_usm(tensor: torch.Tensor):
    """``tensor``'s memory for dpctl: a ``dpctl.tensor.usm_ndarray`` with its shape and
    strides where dpctl has one, else a ``dpctl.memory.MemoryUSMDevice`` over its bytes
    (the tensor must then be contiguous). Not copied; it keeps the tensor alive. Its queue is
    the current stream's.

    Raises:
        TypeError: not a dense tensor of an xpu_lite device, or a dtype USM arrays lack.
        ValueError: not contiguous, and dpctl has no ``dpctl.tensor``; or it needs a gradient.
        ImportError: dpctl is not installed.
    """
    holder = _Exported(tensor)
    dpctl = _dpctl()
    import dpctl.memory

    try:
        import dpctl.tensor as dpt
    except ImportError:
        if not tensor.is_contiguous():
            raise ValueError(f"to_usm: a tensor of strides {tensor.stride()} and shape "
                             f"{tuple(tensor.shape)} is not contiguous, and this dpctl "
                             f"({dpctl.__version__}) has no arrays with strides") from None
        return dpctl.memory.as_usm_memory(holder)
    # usm_ndarray takes its own view of the bytes.
    span = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride())) if tensor.numel() else 0
    flat = tensor.detach().as_strided((span,), (1,))
    return dpt.usm_ndarray(tuple(tensor.shape), dtype=_NAMES[tensor.dtype],
                           buffer=dpctl.memory.as_usm_memory(_Exported(flat)),
                           strides=tensor.stride())


def dlpack(tensor: torch.Tensor):
    """``tensor`` as an exporter of DLPack capsules for other SYCL libraries: its device
    type is kDLOneAPI (torch's own capsules of this device say kDLExtDev, which only torch
    takes back). Queued work on the device is finished first. Not copied.

    Raises:
        TypeError: not a dense tensor of an xpu_lite device.
        RuntimeError: the SYCL engine is not in use.
    """
    _library()
    _check_tensor("dlpack", tensor)
    return _OneApiExporter(tensor)


class _Exported:
    """What ``__sycl_usm_array_interface__`` of a tensor is read from; keeps it alive."""

    def __init__(self, tensor: torch.Tensor):
        _library()
        _check_tensor("to_usm", tensor)
        if tensor.requires_grad:
            raise ValueError("to_usm: the tensor requires a gradient; use tensor.detach()")
        if tensor.dtype not in _NAMES:
            raise TypeError(f"to_usm: USM arrays have no {tensor.dtype}; use tensor.view() with "
                            "an integer type of its size")
        self._tensor = tensor
        self.__sycl_usm_array_interface__ = {
            "data": (_plain(tensor.data_ptr()), False),
            "shape": tuple(tensor.shape),
            "strides": None if tensor.is_contiguous() else tuple(tensor.stride()),
            "typestr": "|" + _NAMES[tensor.dtype],
            "version": 1,
            "offset": 0,
            "syclobj": sycl_queue(torch.xpu_lite.current_stream(tensor.device)),
        }


class _Imported:
    """Owns a foreign array while torch uses its memory."""

    def __init__(self, array, interface: dict, device: int):
        self._array, self._device = array, device
        self.__array_interface__ = interface

    def __del__(self):
        try:  # the owner may free at once what queued work still uses
            torch.xpu_lite.synchronize(self._device)
        except Exception:  # at the end of the process nothing is left to wait for
            pass


def _from_interface(array, interface: dict) -> torch.Tensor:
    import numpy

    address = interface["data"][0]
    shape = tuple(interface["shape"])
    name = interface["typestr"].lstrip("|<=")
    if name not in _TYPES:
        raise TypeError(f"from_usm: torch has no type for {interface['typestr']!r}")
    dtype = _TYPES[name]
    # The flag beside the address means "read-only" in dpctl.tensor and "writable" in
    # dpctl.memory: ask the array.
    if not getattr(getattr(array, "flags", None), "writable", True):
        raise ValueError("from_usm: the memory may only be read, and a tensor can always be "
                         "written; copy the array first")
    strides = interface.get("strides")
    if strides is not None and any(s < 0 for s in strides):
        raise ValueError(f"from_usm: strides {tuple(strides)}: torch has no negative strides; "
                         "copy the array first")
    if math.prod(shape) == 0:
        return torch.empty(shape, dtype=dtype, device=_loader.NAME)
    item = dtype.itemsize
    address += interface.get("offset", 0) * item
    device = _device_of(address)
    queue = interface.get("syclobj")
    if hasattr(queue, "addressof_ref") and hasattr(queue, "submit_barrier"):
        wait_for_queue(queue, torch.xpu_lite.current_stream(device))
    described = {
        "data": (address, False), "shape": shape, "typestr": f"|{name}" if item == 1 else f"<{name}",
        "strides": None if strides is None else tuple(s * item for s in strides), "version": 3,
    }
    view = torch.from_numpy(numpy.asarray(_Imported(array, described, device)))
    from torch_xpu_lite import _C

    return _C._from_cpu_shared(view, device)


def _device_of(address: int) -> int:
    kind, device = ctypes.c_int(), ctypes.c_int()
    _check(_library().xpu_lite_interop_pointer(
        address, ctypes.byref(kind), ctypes.byref(device), torch.xpu_lite.device_count()))
    if kind.value == 0:
        raise ValueError(
            f"from_usm: {address:#x} is not USM memory of torch's SYCL context; allocate it with "
            "the queue of a stream: torch.xpu_lite.current_stream().sycl_queue")
    if device.value < 0:
        raise ValueError(f"from_usm: {address:#x} is {_KINDS[kind.value]} memory of a device that "
                         "torch does not use; see XPU_LITE_DEVICES")
    return device.value


# --- DLPack -------------------------------------------------------------------------


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32),
                ("device_id", ctypes.c_int32)]  # as far as we change it


class _OneApiExporter:
    def __init__(self, tensor):
        self._tensor = tensor

    def __dlpack_device__(self):
        return _ONEAPI, self._tensor.device.index

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if dl_device is not None and tuple(map(int, dl_device)) != self.__dlpack_device__():
            raise BufferError(f"dlpack: the tensor is on device {self.__dlpack_device__()}, not on "
                              f"{tuple(dl_device)}")
        if copy:
            return _OneApiExporter(self._tensor.clone()).__dlpack__()
        capsule = self._tensor.detach().__dlpack__()  # finishes queued work
        tensor = _tensor_of(capsule)
        tensor.data = _plain(tensor.data) if tensor.data else None
        tensor.device_type = _ONEAPI
        return capsule


def _from_dlpack(array) -> torch.Tensor:
    kind, _ = array.__dlpack_device__()
    if int(kind) != _ONEAPI:
        raise TypeError(f"from_usm: {type(array).__name__} is on DLPack device type {int(kind)}, not "
                        f"on a oneAPI device ({_ONEAPI})")
    capsule = array.__dlpack__()
    tensor = _tensor_of(capsule)
    device = _device_of(tensor.data) if tensor.data else 0
    tensor.device_type, tensor.device_id = _EXT_DEV, device
    return torch.utils.dlpack.from_dlpack(capsule)


def _tensor_of(capsule) -> _DLTensor:
    """The tensor in an unversioned capsule, which is its first member."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return _DLTensor.from_address(get(capsule, b"dltensor"))


# --- the native side ------------------------------------------------------------------


def _plain(address: int) -> int:
    """Without the tag of XPU_LITE_GUARD, which only marks addresses for our own code."""
    return address & ~(1 << 60)


def _check_tensor(what: str, tensor) -> None:
    if not isinstance(tensor, torch.Tensor) or tensor.device.type != _loader.NAME:
        got = tensor.device if isinstance(tensor, torch.Tensor) else type(tensor).__name__
        raise TypeError(f"{what}: a tensor on an xpu_lite device is needed, got {got}")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise TypeError(f"{what}: a {tensor.layout} tensor of {tensor.dtype} has no plain memory")


def _order(how: str, queue, stream) -> None:
    library = _library()
    dpctl = _dpctl()
    if not isinstance(queue, dpctl.SyclQueue):
        raise TypeError(f"queue: a dpctl.SyclQueue is needed, got {type(queue).__name__}")
    if stream is None:
        stream = torch.xpu_lite.current_stream()
    _check(getattr(library, f"xpu_lite_interop_{how}")(
        stream.device_index, stream.stream_id, queue.addressof_ref()))


def _capsule(address: int):
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(address, _CAPSULE_NAME, None)


_CAPSULE_NAME = b"SyclQueueRef"  # the capsule keeps this pointer


def _dpctl():
    try:
        import dpctl
    except ImportError as error:
        raise ImportError(f"the queue of a stream is given as a dpctl.SyclQueue, and dpctl is not "
                          f"installed ({error}); install it with: {_INSTALL}") from error
    return dpctl


_native = None


def _library():
    global _native
    if _native is not None:
        return _native
    from torch_xpu_lite import sycl

    library = ctypes.CDLL(sycl.library_path("torch_xpu_lite.interop"))
    integer, long_, pointer = ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
    for name, result, arguments in [
        ("error", ctypes.c_char_p, []),
        ("queue", integer, [integer, long_, ctypes.POINTER(pointer)]),
        ("wait", integer, [integer, long_, pointer]),
        ("release", integer, [integer, long_, pointer]),
        ("pointer", integer, [pointer, ctypes.POINTER(integer), ctypes.POINTER(integer), integer]),
    ]:
        function = getattr(library, f"xpu_lite_interop_{name}")
        function.restype, function.argtypes = result, arguments
    _native = library
    return library


def _check(status: int) -> None:
    if status:
        raise RuntimeError(_library().xpu_lite_interop_error().decode(errors="replace"))
