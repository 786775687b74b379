"""What ``torch.nn.DataParallel`` calls in torch's native part, on any device.

DataParallel knows devices of every kind, but a torch without CUDA has none of the
seven functions below it, so that it would raise AttributeError as soon as this
device exists. They are installed only where they are missing.
"""

import contextlib

import torch

_NAME = "xpu_lite"


def install() -> None:
    """Adds the functions that this build of torch has not."""
    for function in (_broadcast, _broadcast_out, _broadcast_coalesced, _scatter, _scatter_out,
                     _gather, _gather_out):
        if not hasattr(torch._C, function.__name__):
            setattr(torch._C, function.__name__, function)


def _device(index: int) -> torch.device:
    return torch.device(_NAME, index) if index >= 0 else torch.device("cpu")


def _broadcast(tensor, devices):
    return [tensor.to(_device(index), non_blocking=True) for index in devices]


def _broadcast_out(tensor, out):
    return [target.copy_(tensor, non_blocking=True) for target in out]


def _broadcast_coalesced(tensors, devices, buffer_size):
    # `buffer_size` bounds a buffer that saves transfers over a bus; there is none.
    return [[tensor.to(_device(index), non_blocking=True) for tensor in tensors]
            for index in devices]


def _on(stream):
    return contextlib.nullcontext() if stream is None else stream


def _scatter(tensor, devices, chunk_sizes=None, dim=0, streams=None):
    if chunk_sizes is None:
        chunks = tensor.chunk(len(devices), dim)
    else:
        chunks = tensor.split(list(chunk_sizes), dim)
    parts = []
    for i, chunk in enumerate(chunks):
        with _on(streams[i] if streams else None):
            parts.append(chunk.to(_device(devices[i]), non_blocking=True))
    return tuple(parts)


def _scatter_out(tensor, out, dim=0, streams=None):
    chunks = tensor.split([target.size(dim) for target in out], dim)
    for i, (target, chunk) in enumerate(zip(out, chunks)):
        with _on(streams[i] if streams else None):
            target.copy_(chunk, non_blocking=True)
    return tuple(out)


def _gather(tensors, dim, destination=None):
    index = torch.xpu_lite.current_device() if destination is None else destination
    return torch.cat([tensor.to(_device(index)) for tensor in tensors], dim)


def _gather_out(tensors, out, dim):
    return torch.cat([tensor.to(out.device) for tensor in tensors], dim, out=out)
