"""Tensors to other processes, through ``torch.multiprocessing``.

A storage that is sent moves into shared memory first: every tensor over it, here
and in the receivers, then sees one memory, and writes of one process are seen by
the others. It lives until the last process lets go of it, the sender included or
not. Order between processes is the programs' affair (a queue, a barrier): queued
work is finished before a storage is sent, and not later.

Only storages are registered: PyTorch's own reduction of tensors, views, parameters
and sparse tensors ends at the storage, and keeps what they are.
"""

import threading

import torch
from torch.multiprocessing import reductions
from torch.multiprocessing.reductions import StorageWeakRef
from torch_xpu_lite import _C

_NAME = "xpu_lite"

_lock = threading.Lock()
# Weak in both directions: the memory of the device storage keeps the CPU storage
# alive by itself. The keys are addresses that the weak references keep from reuse.
_cpu_of: dict = {}  # device storage address -> (its weak ref, weak ref of CPU storage)
_device_of: dict = {}  # (CPU storage address, device) -> (weak ref, device weak ref)


def register() -> None:
    """Teaches Python's pickler for processes about storages of this device."""
    original = reductions.reduce_storage

    def reduce_storage(storage):
        if storage.device.type != _NAME:
            return original(storage)
        if storage.nbytes() == 0:
            return _rebuild_empty, (storage.device.index,)
        return _rebuild, (_shared_cpu_storage(storage), storage.device.index)

    reductions.reduction.register(torch.UntypedStorage, reduce_storage)


def _shared_cpu_storage(storage):
    """The CPU storage in shared memory behind ``storage``; moves it there if needed."""
    index = storage.device.index
    with _lock:
        known = _alive(_cpu_of, storage._cdata)
        if known is not None:
            _C._synchronize(index)
            return known
        cpu = torch.UntypedStorage._new_shared(storage.nbytes())
        _C._move_to_shared(_bytes_of(storage), _bytes_of(cpu))
        _remember(cpu, storage)
        return cpu


def _rebuild(cpu, index):
    with _lock:
        known = _alive(_device_of, (cpu._cdata, index))
        if known is not None:
            return known
        storage = _C._from_cpu_shared(_bytes_of(cpu), index).untyped_storage()
        _remember(cpu, storage)
        return storage


def _rebuild_empty(index):
    return torch.UntypedStorage(0, device=torch.device(_NAME, index))


def _bytes_of(storage):
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)


def _remember(cpu, storage) -> None:
    for table in (_cpu_of, _device_of):
        for key in [key for key, refs in table.items() if any(r.expired() for r in refs)]:
            del table[key]
    refs = StorageWeakRef(storage), StorageWeakRef(cpu)
    _cpu_of[storage._cdata] = refs
    _device_of[cpu._cdata, storage.device.index] = refs[::-1]


def _alive(table, key):
    """The storage on the other side of ``key``, or None if either is gone."""
    refs = table.get(key)
    if refs is None or refs[0].expired():
        return None
    return torch.UntypedStorage._new_with_weak_ptr(refs[1].cdata)
