"""``torch.xpu_lite``: what ``torch.cuda`` offers, for the device ``"xpu_lite"``."""

import importlib

from torch_xpu_lite import _C
from torch_xpu_lite.xpu_lite import _utils
from torch_xpu_lite.xpu_lite._utils import _get_device_index
from torch_xpu_lite.xpu_lite.devices import (
    DeviceProperties,
    _exchange_device,
    _is_in_bad_fork,
    _lazy_call,
    _lazy_init,
    _maybe_exchange_device,
    can_device_access_peer,
    current_device,
    device,
    device_count,
    device_of,
    get_amp_supported_dtype,
    get_arch_list,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    is_available,
    is_bf16_supported,
    is_initialized,
    is_tf32_supported,
    set_device,
    supports,
    synchronize,
)
from torch import OutOfMemoryError
from torch_xpu_lite.xpu_lite.fallback import (
    fallbacks,
    get_fallback_policy,
    print_fallbacks,
    print_routes,
    reset_fallbacks,
    set_fallback_policy,
)
from torch_xpu_lite.xpu_lite.memory import (
    caching_allocator_alloc,
    caching_allocator_delete,
    device_memory_used,
    empty_cache,
    empty_host_cache,
    get_allocator_backend,
    get_per_process_memory_fraction,
    host_memory_stats,
    host_memory_stats_as_nested_dict,
    ipc_collect,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_limit,
    memory_reserved,
    memory_snapshot,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_accumulated_host_memory_stats,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_host_memory_stats,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from torch_xpu_lite.xpu_lite.packing import clear_packed_weights, packing_stats, set_packing
from torch_xpu_lite.xpu_lite.random import (
    _get_generator,
    default_generators,
    get_offset,
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_offset,
    set_rng_state,
    set_rng_state_all,
)
from torch_xpu_lite.xpu_lite.streams import (
    Event,
    Stream,
    StreamContext,
    _set_stream_by_id,
    _sleep,
    current_stream,
    default_stream,
    is_current_stream_capturing,
    set_stream,
    stream,
)

# Imported when first used: `import torch` loads this file.
_LAZY_MODULES = ("amp", "profiler")
# Inductor looks these up by name.
_COMPILE_NAMES = ("Scheduling", "PythonWrapperCodegen", "CppWrapperCodegen", "WrapperFxCodegen")

__all__ = sorted(name for name in globals() if not name.startswith("_") and name != "importlib")
__all__ += list(_LAZY_MODULES)


def __getattr__(name: str):
    if name == "_initialized":
        # Read by torch.utils.checkpoint; computed, because native code initialises.
        return is_initialized()
    if name in _LAZY_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _COMPILE_NAMES:
        return getattr(importlib.import_module(f"{__name__}._compile"), name)
    raise AttributeError(f"module 'torch.xpu_lite' has no attribute {name!r}")


def __dir__():
    return sorted(set(globals()) | set(_LAZY_MODULES) | {"_initialized"})
