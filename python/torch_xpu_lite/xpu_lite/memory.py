"""The caching allocator: statistics, limits, snapshots, raw blocks. Sizes in bytes.

Names and shapes of the results are those of ``torch.cuda``.
"""

import collections
import pickle
import warnings

from torch_xpu_lite import _C
from torch_xpu_lite.xpu_lite._utils import _get_device_index


def _index(device) -> int:
    return _get_device_index(device, optional=True)


def _flatten(nested: dict) -> "collections.OrderedDict[str, int]":
    flat = []

    def visit(prefix, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else key, inner)
        else:
            flat.append((prefix, value))

    visit("", nested)
    return collections.OrderedDict(sorted(flat))


def empty_cache() -> None:
    """Gives cached memory that no tensor uses back to the system, on all devices."""
    _C._clear_packed_weights(False)
    _C._empty_cache()


def memory_stats(device=None) -> "collections.OrderedDict[str, int]":
    """Statistics by name, e.g. ``"allocated_bytes.all.peak"``.

    ``{allocation,segment,active,inactive_split,*_bytes}.{all,small_pool,large_pool}.
    {current,peak,allocated,freed}``, and counters such as ``num_alloc_retries`` and
    ``num_ooms``.
    """
    return _flatten(memory_stats_as_nested_dict(device))


def memory_stats_as_nested_dict(device=None) -> dict:
    """:func:`memory_stats` as nested dictionaries."""
    return _C._memory_stats(_index(device))


def memory_allocated(device=None) -> int:
    """Bytes that tensors hold now."""
    return _C._allocated_and_reserved(_index(device))[0]


def max_memory_allocated(device=None) -> int:
    """Most bytes that tensors held since :func:`reset_peak_memory_stats`."""
    return memory_stats_as_nested_dict(device)["allocated_bytes"]["all"]["peak"]


def memory_reserved(device=None) -> int:
    """Bytes that the allocator holds now, cached ones included."""
    return _C._allocated_and_reserved(_index(device))[1]


def max_memory_reserved(device=None) -> int:
    """Most bytes that the allocator held since :func:`reset_peak_memory_stats`."""
    return memory_stats_as_nested_dict(device)["reserved_bytes"]["all"]["peak"]


def reset_peak_memory_stats(device=None) -> None:
    """Peaks start again from what is in use now."""
    _C._reset_peak_stats(_index(device))


def reset_accumulated_memory_stats(device=None) -> None:
    """The ``allocated`` and ``freed`` totals start again from zero."""
    _C._reset_accumulated_stats(_index(device))


def reset_max_memory_allocated(device=None) -> None:
    """Deprecated in ``torch.cuda``; the same as :func:`reset_peak_memory_stats`."""
    reset_peak_memory_stats(device)


reset_max_memory_cached = reset_max_memory_allocated


def memory_cached(device=None) -> int:
    """Deprecated name of :func:`memory_reserved`."""
    warnings.warn("memory_cached is now memory_reserved", FutureWarning, stacklevel=2)
    return memory_reserved(device)


def max_memory_cached(device=None) -> int:
    """Deprecated name of :func:`max_memory_reserved`."""
    warnings.warn("max_memory_cached is now max_memory_reserved", FutureWarning, stacklevel=2)
    return max_memory_reserved(device)


def mem_get_info(device=None) -> tuple:
    """(free, total) bytes. Free is what the limit leaves and what the machine has."""
    return _C._memory_info(_index(device))


def device_memory_used(device=None) -> int:
    """Bytes of the device that are not free, whoever uses them."""
    free, total = mem_get_info(device)
    return total - free


def set_per_process_memory_fraction(fraction, device=None) -> None:
    """Limits what this process may reserve to a fraction of the device's memory.

    Above it, an allocation raises ``torch.OutOfMemoryError``. The smaller of this
    and ``XPU_LITE_MEMORY_LIMIT`` applies.

    Raises:
        TypeError: ``fraction`` is no number.
        ValueError: it is not in [0, 1].
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)):
        raise TypeError(f"fraction must be a float, got {type(fraction).__name__}")
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be in [0, 1], got {fraction}")
    _C._set_memory_fraction(_index(device), float(fraction))


def get_per_process_memory_fraction(device=None) -> float:
    """The fraction set by :func:`set_per_process_memory_fraction`; 1.0 by default."""
    return _C._memory_fraction(_index(device))


def memory_limit(device=None) -> int:
    """Bytes that this process may reserve on the device."""
    return _C._memory_limit(_index(device))


def memory_snapshot(device=None) -> list:
    """Segments and their blocks, as a list of dictionaries; of all devices by default."""
    if device is not None:
        return _C._memory_snapshot(_index(device))
    return [entry for index in range(_C._device_count()) for entry in _C._memory_snapshot(index)]


def _snapshot(device=None) -> dict:
    return {
        "segments": memory_snapshot(device),
        "device_traces": [[] for _ in range(_C._device_count())],
        "allocator_settings": {},
    }


def _dump_snapshot(filename: str = "dump_snapshot.pickle") -> None:
    """Writes a snapshot that PyTorch's memory viewer reads."""
    with open(filename, "wb") as file:
        pickle.dump(_snapshot(), file)


def caching_allocator_alloc(size: int, device=None, stream=None) -> int:
    """Allocates ``size`` bytes for ``stream`` and returns the address.

    Raises:
        torch.OutOfMemoryError: there is no memory.
    """
    from torch_xpu_lite.xpu_lite.streams import current_stream

    index = _index(device)
    if stream is None:
        stream = current_stream(index)
    stream_id = stream if isinstance(stream, int) else stream.stream_id
    return _C._raw_alloc(index, size, stream_id)


def caching_allocator_delete(mem_ptr: int) -> None:
    """Frees what :func:`caching_allocator_alloc` returned.

    Raises:
        ValueError: an address that did not come from there, or is already freed.
    """
    _C._raw_delete(mem_ptr)


def get_allocator_backend() -> str:
    """Name of the allocator."""
    return "xpu_lite"


def host_memory_stats() -> "collections.OrderedDict[str, int]":
    """Statistics of pinned host memory by name, e.g. ``"allocated_bytes.current"``."""
    return _flatten(host_memory_stats_as_nested_dict())


def host_memory_stats_as_nested_dict() -> dict:
    """:func:`host_memory_stats` as nested dictionaries."""
    return _C._host_memory_stats()


def reset_peak_host_memory_stats() -> None:
    """Peaks of :func:`host_memory_stats` start again."""
    _C._reset_host_peak_stats()


def reset_accumulated_host_memory_stats() -> None:
    """Totals of :func:`host_memory_stats` start again."""
    _C._reset_host_accumulated_stats()


def empty_host_cache() -> None:
    """Gives cached pinned memory back to the system."""
    _C._empty_host_cache()


def ipc_collect() -> None:
    """Does nothing: memory sent to other processes is freed with its last user."""


def memory_summary(device=None, abbreviated: bool = False) -> str:
    """:func:`memory_stats` as a table; without the two pools if ``abbreviated``."""
    from torch_xpu_lite.xpu_lite._summary import render

    index = _index(device)
    return render(index, memory_stats_as_nested_dict(index), abbreviated)
