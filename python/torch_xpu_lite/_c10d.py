"""What torch.distributed (2.13) does for the groups of its own backends alone.

It asks by their names. Each function here takes the place of one of its, and hands
every group that has no ``xpulite`` in it on to the original.
"""

import functools
from datetime import timedelta

import torch
from torch.distributed import distributed_c10d as c10d

_BACKEND = "xpulite"


def patch() -> None:
    """Replaces the functions. Called once, when the backend is registered."""
    for name, make in (
        ("monitored_barrier", _monitored_barrier),
        ("_set_pg_timeout", _set_pg_timeout),
        ("_new_process_group_helper", _new_process_group_helper),
    ):
        original = getattr(c10d, name, None)
        if original is None:
            continue
        replacement = functools.wraps(original)(make(original))
        setattr(c10d, name, replacement)
        if getattr(torch.distributed, name, None) is original:
            setattr(torch.distributed, name, replacement)
    for name in ("_get_sequence_number_for_group", "_set_sequence_number_for_group"):
        setattr(c10d.ProcessGroup, name, _of_custom_backend(name))


def _backends(group) -> tuple[list, bool]:
    """The xpulite backends of a group, without the wrappers of debug mode, and whether
    the group has others."""
    group = group if group is not None else c10d._get_default_group()
    ours, others = [], False
    for device in group._device_types:
        backend = group._get_backend(torch.device(device))
        backend = getattr(backend, "wrapped_pg", backend)
        if backend.name() != _BACKEND:
            others = True
        elif backend not in ours:
            ours.append(backend)
    return ours, others


def _monitored_barrier(original):
    def monitored_barrier(group=None, timeout=None, wait_all_ranks=False):
        ours = [] if c10d._rank_not_in_group(group) else _backends(group)[0]
        if not ours:
            return original(group, timeout, wait_all_ranks)
        if timeout is None:
            timeout = ours[0].options._timeout
        elif isinstance(timeout, (int, float)):
            timeout = timedelta(seconds=timeout)
        c10d._check_valid_timeout(timeout)
        return ours[0].monitored_barrier(timeout, wait_all_ranks=wait_all_ranks)

    return monitored_barrier


def _set_pg_timeout(original):
    def _set_pg_timeout(timeout, group=None):
        ours, others = [], True
        if not c10d._rank_not_in_group(group):
            ours, others = _backends(group)
        for backend in ours:
            backend.set_timeout(timeout)
        if others:
            original(timeout, group)

    return _set_pg_timeout


def _new_process_group_helper(original):
    # A group made with a backend for each device type ("cpu:gloo,xpu_lite:xpulite") has
    # a default backend, which answers for its sequence numbers and hooks. As soon as any
    # backend is registered, torch looks for that one's name in capitals among names in
    # small letters, finds nothing, and leaves the default undefined.
    def _new_process_group_helper(*args, **kwargs):
        made = original(*args, **kwargs)
        group = made[0]
        if isinstance(group, c10d.ProcessGroup) and group.name() == "undefined":
            names = str(c10d._world.pg_backend_config.get(group, ""))
            kinds = c10d.ProcessGroup.BackendType
            if _BACKEND in names:
                group._set_default_backend(kinds.CUSTOM)
            elif c10d.Backend.GLOO in names:
                group._set_default_backend(kinds.GLOO)
        return made

    return _new_process_group_helper


def _of_custom_backend(name):
    original = getattr(c10d.ProcessGroup, name)

    # ProcessGroup forwards these to the backends that it knows.
    @functools.wraps(original)
    def method(self):
        ours = _backends(self)[0] if self.name() == "custom" else []
        return getattr(ours[0], name)() if ours else original(self)

    return method
