"""The process group ``"xpulite"`` of :mod:`torch.distributed`.

``torch.distributed.init_process_group("xpulite")`` makes a group for tensors on
``xpu_lite`` and on the CPU. Inside a machine it moves data through shared memory,
between machines over oneCCL, or over gloo where oneCCL is not installed;
``XPU_LITE_CCL_TRANSPORT`` chooses by name, ``XPU_LITE_VERBOSE=ccl`` prints the choice.
"""

from __future__ import annotations

import torch
import torch.distributed as dist

BACKEND = "xpulite"

__all__ = ["BACKEND", "describe", "register", "transport"]


def register() -> None:
    """Makes the name known to :mod:`torch.distributed`; done when the device loads."""
    if not dist.is_available() or BACKEND in dist.Backend.backend_list:
        return
    dist.Backend.register_backend(
        BACKEND, _create, extended_api=True, devices=["cpu", "xpu_lite"]
    )
    from torch_xpu_lite import _c10d, _mesh

    _c10d.patch()
    _mesh.patch()


def _create(group, options):
    # Loaded here: programs without a group do not pay for it.
    from torch_xpu_lite import _ccl

    options_type = _ccl.ProcessGroupXpuLite.Options
    if options is None:
        options = options_type()
        options._timeout = group.timeout
    elif not isinstance(options, options_type):
        raise TypeError(
            f"pg_options of the process group {BACKEND!r} must be "
            f"torch_xpu_lite._ccl.ProcessGroupXpuLite.Options, got {type(options).__name__}"
        )
    else:
        options._timeout = group.timeout
    options.global_ranks_in_group = group.global_ranks_in_group
    options.group_name = group.group_id
    return _ccl.ProcessGroupXpuLite(
        group.store, group.group_rank, group.group_size, options
    )


def _backend(group):
    group = group if group is not None else dist.group.WORLD
    for device in group._device_types:
        backend = group._get_backend(torch.device(device))
        if hasattr(backend, "wrapped_pg"):  # TORCH_DISTRIBUTED_DEBUG=DETAIL
            backend = backend.wrapped_pg
        if backend.name() == BACKEND:
            return backend
    raise ValueError(f"the group has no backend {BACKEND!r}")


def transport(group=None) -> str:
    """What moves a group's data.

    Args:
        group: a process group; None is the default one.

    Returns:
        ``"shm"``, ``"oneccl"``, ``"gloo"``, or a pair such as ``"shm+oneccl"``.

    Raises:
        ValueError: the group is not of this backend.
    """
    return _backend(group).transport


def describe(group=None) -> str:
    """One line on a group's transport and its parameters. Arguments as `transport`."""
    return _backend(group).describe()
