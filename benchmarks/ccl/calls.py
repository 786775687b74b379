"""Every collective as a call that can be repeated, with what it must write.

Sizes are counted as nccl-tests does: the larger of what a rank passes and what it receives, so
the whole output of an all_gather, the whole input of a reduce_scatter. Elements are float32; a
piece is at least one of them. Root is rank 0; send_recv is a ping-pong of ranks 0-1, 2-3, ...

Small buffers are the same in every call, and so in the cache. Large ones are taken in turns
from COLD bytes, so that each call finds its own in memory, as gradients are.
"""

import itertools
from dataclasses import dataclass, field
from typing import Callable

import torch
import torch.distributed as dist

# Names, in the order of the report, and bus bandwidth over algorithm bandwidth for n ranks.
COLLECTIVES = {
    "all_reduce": lambda n: 2 * (n - 1) / n,
    "reduce": lambda n: 1,
    "broadcast": lambda n: 1,
    "all_gather": lambda n: (n - 1) / n,
    "all_gather_into_tensor": lambda n: (n - 1) / n,
    "reduce_scatter": lambda n: (n - 1) / n,
    "reduce_scatter_tensor": lambda n: (n - 1) / n,
    "all_to_all": lambda n: (n - 1) / n,
    "all_to_all_single": lambda n: (n - 1) / n,
    "gather": lambda n: (n - 1) / n,
    "scatter": lambda n: (n - 1) / n,
    "send_recv": lambda n: 1,
    "barrier": None,
}
DIVIDED = {name for name in COLLECTIVES if "gather" in name or "scatter" in name
           or "all_to_all" in name}


COLD = 256 << 20
LARGE = 32 << 20  # from here on buffers are cold


def room(sizes, ranks):
    """Bytes of the buffers that calls of these sizes need."""
    largest = max([*sizes, 4 * ranks])
    return max(largest, COLD) if largest >= LARGE else largest


@dataclass
class Call:
    """One rank's side of a collective, on buffers that stay."""

    run: Callable
    inputs: list = field(default_factory=list)   # filled with rank + 1 before the check
    outputs: list = field(default_factory=list)  # (tensor, the value that it must have then)
    per_run: int = 1  # messages one after the other in one run: 2 for a ping-pong

    def check(self, rank, name):
        """Runs once on known values, then leaves zeros: sums of zeros never overflow."""
        for tensor, _ in self.outputs:
            tensor.fill_(-1)
        for tensor in self.inputs:
            tensor.fill_(rank + 1)
        self.run()
        for tensor, value in self.outputs:
            low, high = tensor.min().item(), tensor.max().item()
            if low != value or high != value:
                raise RuntimeError(f"{name}: rank {rank} got {low} to {high} for {value}")
        for tensor in (*self.inputs, *(tensor for tensor, _ in self.outputs)):
            tensor.zero_()


def in_turns(make, size_bytes, room_bytes):
    """make(offset in bytes) gives a Call; large ones become one that walks through the room."""
    if size_bytes < LARGE:
        return make(0)
    calls = [make(offset) for offset in range(0, room_bytes - size_bytes + 1, size_bytes)]
    turns = itertools.cycle([call.run for call in calls])
    return Call(lambda: next(turns)(), calls[0].inputs, calls[0].outputs, calls[0].per_run)


def elements(name, size_bytes, ranks):
    """Elements of the whole buffer, and of one rank's piece of it."""
    if name in DIVIDED:
        piece = max(1, size_bytes // 4 // ranks)
        return piece * ranks, piece
    count = max(1, size_bytes // 4)
    return count, count


class TorchCalls:
    """The collectives of torch.distributed in one group, on one device's memory."""

    def __init__(self, group, a, b, rank, ranks):
        self.group, self.a, self.b, self.rank, self.ranks = group, a, b, rank, ranks

    @classmethod
    def on(cls, device, room_bytes, group, rank, ranks):
        # Written at once: memory that nobody has touched would be mapped while timed.
        a, b = (torch.empty(room_bytes // 4, device=device).zero_() for _ in range(2))
        return cls(group, a, b, rank, ranks)

    def over(self, group):
        """The same tensors in another group."""
        return TorchCalls(group, self.a, self.b, self.rank, self.ranks)

    def make(self, name, size_bytes):
        return in_turns(lambda offset: self.at(offset, name, size_bytes), size_bytes,
                        self.a.nbytes)

    def at(self, offset, name, size_bytes):
        group, rank, ranks = self.group, self.rank, self.ranks
        count, piece = elements(name, size_bytes, ranks)
        a, b = self.a[offset // 4:], self.b[offset // 4:]
        whole, other, part = a[:count], b[:count], b[:piece]
        chunks, others = list(whole.split(piece)), list(other.split(piece))
        total, root = ranks * (ranks + 1) // 2, rank == 0
        each = [(chunk, r + 1) for r, chunk in enumerate(chunks)]
        if name == "all_reduce":
            return Call(lambda: dist.all_reduce(whole, group=group), [whole], [(whole, total)])
        if name == "reduce":
            return Call(lambda: dist.reduce(whole, 0, group=group), [whole],
                        [(whole, total)] if root else [])
        if name == "broadcast":
            return Call(lambda: dist.broadcast(whole, 0, group=group), [whole], [(whole, 1)])
        if name == "all_gather":
            return Call(lambda: dist.all_gather(chunks, part, group=group), [part], each)
        if name == "all_gather_into_tensor":
            return Call(lambda: dist.all_gather_into_tensor(whole, part, group=group), [part],
                        each)
        if name == "reduce_scatter":
            return Call(lambda: dist.reduce_scatter(part, chunks, group=group), [whole],
                        [(part, total)])
        if name == "reduce_scatter_tensor":
            return Call(lambda: dist.reduce_scatter_tensor(part, whole, group=group), [whole],
                        [(part, total)])
        if name == "all_to_all":
            return Call(lambda: dist.all_to_all(chunks, others, group=group), [other], each)
        if name == "all_to_all_single":
            return Call(lambda: dist.all_to_all_single(whole, other, group=group), [other], each)
        if name == "gather":
            outs = chunks if root else None
            return Call(lambda: dist.gather(part, outs, 0, group=group), [part],
                        each if root else [])
        if name == "scatter":
            ins = chunks if root else None
            return Call(lambda: dist.scatter(part, ins, 0, group=group), [whole], [(part, 1)])
        if name == "send_recv":
            return self.ping_pong(whole, other)
        return Call(lambda: dist.barrier(group=group))

    def ping_pong(self, out, back):
        group, peer = self.group, self.rank ^ 1

        def first():
            dist.send(out, peer, group=group)
            dist.recv(back, peer, group=group)

        def second():
            dist.recv(back, peer, group=group)
            dist.send(out, peer, group=group)

        if peer >= self.ranks:
            return Call(lambda: None, per_run=2)
        return Call(first if self.rank < peer else second, [out], [(back, peer + 1)], per_run=2)
