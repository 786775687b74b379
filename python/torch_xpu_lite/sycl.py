"""Kernels of your own in SYCL C++, compiled at run time and launched on tensors.

    >>> from torch_xpu_lite import sycl
    >>> axpy = sycl.kernel('''
    ... #include <sycl/sycl.hpp>
    ... namespace syclex = sycl::ext::oneapi::experimental;
    ... extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::nd_range_kernel<1>))
    ... void axpy(float a, const float* x, float* y) {
    ...   auto i = sycl::ext::oneapi::this_work_item::get_nd_item<1>().get_global_linear_id();
    ...   y[i] += a * x[i];
    ... }''')
    >>> axpy(2.0, x, y, grid=x.numel())

Needs the SYCL engine: ``XPU_LITE_DEVICES=level_zero:gpu`` or ``opencl:cpu``.
"""

import ctypes
import os
import re
import threading
from typing import NamedTuple, Optional, Sequence, Union

import torch

from torch_xpu_lite import _loader, _sycl_signature

__all__ = ["CompileError", "Kernel", "KernelCounts", "cache_folder", "kernel", "kernel_counts"]

Size = Union[int, Sequence[int]]


class CompileError(RuntimeError):
    """The compiler refused a source. The text is the compiler's own."""


def kernel(source: str, name: Optional[str] = None, options: Sequence[str] = (),
           device=None) -> "Kernel":
    """Compiles a kernel from SYCL source. Takes seconds the first time in a process;
    the same source, name and options later take nothing.

    Args:
        source: C++ with one or more free-function kernels; it includes
            ``<sycl/sycl.hpp>`` itself.
        name: the kernel, with its namespaces. May be left out when the source has one.
        options: for the compiler, such as ``"-O3"``, ``"-DN=4"``, ``"-I/path"``.
        device: where it is compiled for now; default: the current device. It is
            compiled for others at its first launch there.

    Raises:
        CompileError: with the compiler's messages, as they are.
        ValueError: no name where the source has several kernels, or none.
        RuntimeError: the SYCL engine is not in use, or the source has no such kernel.
    """
    _library()
    if isinstance(options, str):
        raise TypeError(f"options: a list of strings is needed, not the string {options!r}")
    found = _sycl_signature.read(source)
    if name is None:
        if len(found) != 1:
            raise ValueError("name: the source has " + (
                f"the kernels {', '.join(sorted(found))}; say which" if found else
                "no kernel that could be recognised; give its name"))
        name = next(iter(found))
    if not re.search(rf"\b{re.escape(name.split('::')[-1])}\b", source):
        raise RuntimeError(f"the source has no kernel {name}" + (
            f"; it has {', '.join(sorted(found))}" if found else ""))
    made = Kernel(source, name, tuple(str(o) for o in options), found.get(name.split("::")[-1]))
    made._handle(torch.xpu_lite.current_device() if device is None else _index(device))
    return made


class Kernel:
    """A compiled kernel; made by :func:`kernel`. Calling it launches it."""

    def __init__(self, source, name, options, signature):
        self.source, self.name, self.options = source, name, options
        self._signature = signature

    def __repr__(self):
        return f"<torch_xpu_lite.sycl.Kernel {self.name}>"

    @property
    def log(self) -> str:
        """The compiler's warnings."""
        return _library().xpu_lite_user_log(self._handle(torch.xpu_lite.current_device())).decode()

    def max_group(self, device=None) -> int:
        """The largest number of work-items in a group, on a device."""
        index = torch.xpu_lite.current_device() if device is None else _index(device)
        return _library().xpu_lite_user_max_group(self._handle(index))

    def __call__(self, *args, grid: Optional[Size] = None, group: Optional[Size] = None) -> None:
        """Launches the kernel on the current stream; returns at once.

        Args:
            *args: one for each parameter. A tensor is passed as the address of its
                first element (its strides are the kernel's business); None as a null
                pointer; a number as the type that the source declares, or, where that
                type is the source's own, a ctypes value or ``bytes`` of the same layout.
            grid: work-items in all, for each of up to 3 dimensions; None for a
                single-task kernel. A grid with a 0 launches nothing.
            group: work-items of a group, dividing the grid; default: chosen.

        Raises:
            TypeError, ValueError: a wrong number of arguments, a tensor that is not on
                the device, a number that does not fit, an impossible grid or group.
            RuntimeError: the driver refused the launch.
        """
        index = self._device(args)
        handle = self._handle(index)
        library = _library()
        expected = library.xpu_lite_user_arguments(handle)
        if self._signature is not None:
            expected = len(self._signature.parameters)
        if len(args) != expected:
            raise TypeError(f"kernel {self.name} takes {expected} arguments, {len(args)} were given")
        global_, local = self._range(grid, group, library.xpu_lite_user_max_group(handle))
        if 0 in global_:
            return
        values = [self._argument(i, value, index) for i, value in enumerate(args)]
        count = len(values)
        data = (ctypes.c_void_p * count)(*[
            v if isinstance(v, int) else ctypes.addressof(v) for v in values])
        sizes = (ctypes.c_size_t * count)(*[
            0 if isinstance(v, int) else ctypes.sizeof(v) for v in values])
        dims = len(global_)
        _check(library.xpu_lite_user_launch(
            handle, index, dims, (ctypes.c_size_t * dims)(*global_),
            (ctypes.c_size_t * dims)(*local), data, sizes, count))

    def _device(self, args) -> int:
        devices = []
        for i, value in enumerate(args):
            if not isinstance(value, torch.Tensor):
                continue
            if value.device.type != _loader.NAME:
                raise ValueError(f"kernel {self.name}, argument {i}: the tensor is on "
                                 f"{value.device}, not on an xpu_lite device")
            if value.layout != torch.strided or value.is_quantized:
                raise ValueError(f"kernel {self.name}, argument {i}: a {value.layout} tensor of "
                                 f"{value.dtype} has no plain memory to pass")
            devices.append((value.device.index, i))
        if not devices:
            return torch.xpu_lite.current_device()
        for device, i in devices:
            if device != devices[0][0]:
                raise ValueError(f"kernel {self.name}: argument {devices[0][1]} is on "
                                 f"xpu_lite:{devices[0][0]}, argument {i} on xpu_lite:{device}")
        return devices[0][0]

    def _handle(self, index: int):
        return _compiled(index, self.source, self.name, self.options)

    def _range(self, grid, group, limit):
        dims = self._signature.dims if self._signature is not None else None
        if grid is None:
            if dims:
                raise ValueError(f"kernel {self.name} has a range of {dims} dimensions: give grid")
            return (), ()
        global_ = _sizes("grid", self.name, grid, 0)
        if dims is not None and len(global_) != dims:
            raise ValueError(f"grid: kernel {self.name} has "
                             f"{dims or 'no'} dimensions, {len(global_)} were given")
        if group is None:
            return global_, _default_group(global_, limit)
        local = _sizes("group", self.name, group, 1)
        if len(local) != len(global_):
            raise ValueError(f"group: {len(local)} dimensions, grid has {len(global_)}")
        total = 1
        for wanted, size in zip(global_, local):
            total *= size
            if wanted % size:
                raise ValueError(f"grid {global_} is not a multiple of group {local}")
        if total > limit:
            raise ValueError(f"group {local}: {total} work-items; kernel {self.name} can have "
                             f"{limit} on this device")
        return global_, local

    def _argument(self, i: int, value, index: int):
        """An address (int), or a ctypes object to be passed by value."""
        parameter = self._signature.parameters[i] if self._signature is not None else None
        where = f"kernel {self.name}, argument {i}" + (f" ({parameter.text})" if parameter else "")
        if isinstance(value, torch.Tensor) or value is None:
            if parameter is not None and not parameter.pointer and parameter.ctype is not None:
                got = "None" if value is None else "a tensor"
                raise TypeError(f"{where}: a number is needed, {got} was given")
            return 0 if value is None else value.data_ptr()
        if parameter is not None and parameter.pointer:
            raise TypeError(f"{where}: a tensor is needed, {type(value).__name__} was given")
        return _by_value(where, value, parameter.ctype if parameter else None)


def _by_value(where: str, value, ctype):
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):  # a NumPy scalar
        value = value.tobytes()
    if isinstance(value, (bytes, bytearray)):
        value = (ctypes.c_char * len(value)).from_buffer_copy(value)
    if isinstance(value, (ctypes._SimpleCData, ctypes.Structure, ctypes.Union, ctypes.Array)):
        if ctype is not None and ctypes.sizeof(value) != ctypes.sizeof(ctype):
            raise TypeError(f"{where}: {ctypes.sizeof(ctype)} bytes are needed, "
                            f"{ctypes.sizeof(value)} were given")
        if ctypes.sizeof(value) == 0:
            raise TypeError(f"{where}: 0 bytes were given")
        return value
    if not isinstance(value, (bool, int, float)):
        raise TypeError(f"{where}: a tensor, a number, a ctypes value or bytes is needed, "
                        f"{type(value).__name__} was given")
    if ctype is None:
        raise TypeError(f"{where}: the size of this parameter is not known from the source; pass "
                        f"{value!r} as a ctypes value, such as ctypes.c_int64({int(value)})")
    if ctype in (ctypes.c_float, ctypes.c_double):
        return ctype(value)
    if isinstance(value, float):
        raise TypeError(f"{where}: an integer is needed, {value!r} was given")
    made = ctype(value)
    if made.value != value:
        raise ValueError(f"{where}: {value} does not fit into {8 * ctypes.sizeof(ctype)} bits")
    return made


def _sizes(what: str, name: str, value: Size, least: int) -> tuple:
    sizes = (value,) if isinstance(value, int) else tuple(value)
    if not 1 <= len(sizes) <= 3 or not all(
            isinstance(s, int) and not isinstance(s, bool) and least <= s < 2**63 for s in sizes):
        raise ValueError(f"{what}: 1 to 3 integers of at least {least} are needed for kernel "
                         f"{name}, {value!r} was given")
    return sizes


def _default_group(grid: tuple, limit: int) -> tuple:
    """Divides the grid; the last dimension, which runs fastest, first; 256 at most."""
    left, local = min(256, limit), []
    for size in reversed(grid):
        part = next(n for n in range(min(left, max(size, 1)), 0, -1) if size % n == 0)
        local.append(part)
        left //= part
    return tuple(reversed(local))


def _index(device) -> int:
    device = torch.device(_loader.NAME, device) if isinstance(device, int) else torch.device(device)
    if device.type != _loader.NAME:
        raise ValueError(f"device: an xpu_lite device is needed, {device} was given")
    return torch.xpu_lite.current_device() if device.index is None else device.index


class KernelCounts(NamedTuple):
    """Kernels of the package, and how this process got those that it used."""

    shipped: int
    loaded: int  # device binaries taken from the cache on disk
    built: int   # built from SPIR-V


def kernel_counts() -> KernelCounts:
    """Counts of the kernels of the package. RuntimeError without the SYCL engine."""
    counts = (ctypes.c_size_t * 3)()
    _library().xpu_lite_kernel_counts(counts)
    return KernelCounts(*counts)


def cache_folder() -> Optional[str]:
    """Where built kernels are kept (``XPU_LITE_CACHE_DIR``), or None when they are not."""
    return _library().xpu_lite_cache_folder().decode() or None


# --- the native side --------------------------------------------------------------

_lock = threading.Lock()
_native = None
_handles: dict = {}


def library_path(user: str = "torch_xpu_lite.sycl") -> str:
    """Where libxpu_lite_xpu.so is; starts the engine.

    Raises:
        RuntimeError: the SYCL engine is not in use; the text names ``user``.
    """
    torch.xpu_lite.init()
    engine = torch.xpu_lite.get_device_properties(0).engine
    if engine.startswith("host"):
        raise RuntimeError(
            f"{user} needs the SYCL engine, and the engine in use is {engine!r}: "
            "start the program with XPU_LITE_DEVICES=level_zero:gpu or XPU_LITE_DEVICES=opencl:cpu")
    from torch_xpu_lite import _C

    return os.path.join(os.path.dirname(_C.__file__), "lib", "libxpu_lite_xpu.so")


def _library():
    """libxpu_lite_xpu.so, which the engine has loaded."""
    global _native
    if _native is not None:
        return _native
    library = ctypes.CDLL(library_path())
    size, pointer, text = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in [
        ("user_error", text, []),
        ("user_compile", ctypes.c_int, [ctypes.c_int, text, text, ctypes.POINTER(text),
                                        ctypes.c_int, ctypes.POINTER(pointer)]),
        ("user_arguments", size, [pointer]),
        ("user_max_group", size, [pointer]),
        ("user_log", text, [pointer]),
        ("kernel_counts", None, [ctypes.POINTER(size)]),
        ("cache_folder", text, []),
        ("user_launch", ctypes.c_int, [pointer, ctypes.c_int, ctypes.c_int, ctypes.POINTER(size),
                                  ctypes.POINTER(size), ctypes.POINTER(pointer),
                                  ctypes.POINTER(size), size]),
    ]:
        function = getattr(library, f"xpu_lite_{name}")
        function.restype, function.argtypes = result, arguments
    _native = library
    return library


def _check(status: int) -> None:
    if status:
        text = _library().xpu_lite_user_error().decode(errors="replace")
        raise {1: CompileError, 2: torch.OutOfMemoryError}.get(status, RuntimeError)(text)


def _compiled(index: int, source: str, name: str, options: tuple):
    key = (index, source, name, options)
    with _lock:
        if key not in _handles:
            handle = ctypes.c_void_p()
            texts = (ctypes.c_char_p * max(1, len(options)))(*[o.encode() for o in options])
            _check(_library().xpu_lite_user_compile(
                index, source.encode(), name.encode(), texts, len(options), ctypes.byref(handle)))
            _handles[key] = handle.value
        return _handles[key]
