"""How ranks agree, and one cell: one collective at one size, the sides in turns.

Ranks agree through memory of the parent process, not through any of the backends. All of them
make the same calls the same number of times. A batch counts from the moment when its first rank
begins (all do within microseconds) until its last rank is done; the first call is dropped.
"""

import ctypes
import math
import os
import statistics
import threading
import time

BATCH = 4e-3        # seconds that a batch should take
MOST = 400          # calls in a batch
WIDTH = 512         # numbers that a rank can tell the others at once
FEWEST_ROUNDS = 3
PATIENCE = 120      # seconds to wait for the other ranks


class Shared:
    """Made by the parent, handed to every rank."""

    def __init__(self, context, ranks):
        self.ranks = ranks
        self.barrier = context.Barrier(ranks)
        self.values = context.RawArray("d", 2 * ranks * WIDTH)
        self.ready = context.RawArray("q", ranks)   # how often each rank was at the start line
        self.address = context.RawArray("c", 256)   # oneCCL's, from rank 0
        self.doing = context.RawArray("c", 256)     # what rank 0 is at, for messages
        self.messages = context.Queue()


class Agreement:
    """One rank's end of Shared."""

    def __init__(self, shared, rank):
        self.shared, self.rank, self.turn = shared, rank, 0

    def wait(self):
        self.shared.barrier.wait(PATIENCE)

    def start(self):
        """As wait(), but everybody leaves at once: nobody has to be woken up."""
        self.wait()
        ready = self.shared.ready
        ready[self.rank] += 1
        goal = ready[self.rank]
        while min(ready) < goal:
            if self.shared.barrier.broken:
                raise threading.BrokenBarrierError
            os.sched_yield()
        return time.perf_counter()  # one clock for all processes of a machine

    def all(self, numbers):
        """What every rank passed: one list per rank. Two areas in turns, so that nobody writes
        what another still reads."""
        ranks = self.shared.ranks
        base = self.turn * ranks * WIDTH
        self.turn ^= 1
        start = base + self.rank * WIDTH
        self.shared.values[start:start + len(numbers)] = numbers
        self.wait()
        return [list(self.shared.values[base + r * WIDTH:base + r * WIDTH + len(numbers)])
                for r in range(ranks)]

    def slowest(self, numbers):
        return [max(column) for column in zip(*self.all(numbers))]

    def span(self, begins, ends):
        """From the first rank's begin to the last rank's end, for each batch."""
        every = self.all([*begins, *ends])
        first = [min(column) for column in zip(*(row[:len(begins)] for row in every))]
        last = [max(column) for column in zip(*(row[len(begins):] for row in every))]
        return [b - a for a, b in zip(first, last)]

    def doing(self, text):
        if self.rank == 0:
            self.shared.doing.value = text.encode()[:255]


def batch(agreement, run, count):
    """(begin, end) of `count` calls, in seconds of the common clock."""
    begin = agreement.start()
    for _ in range(count):
        run()
    return begin, time.perf_counter()


def once(agreement, run):
    """About the seconds of one call."""
    agreement.wait()
    run()
    begin, end = batch(agreement, run, 1)
    took = agreement.span([begin], [end])[0]
    if took < BATCH:
        begin, end = batch(agreement, run, 20)
        took = agreement.span([begin], [end])[0] / 20
    return took


def cell(agreement, calls, budget, rounds):
    """calls: {side: Call}. Seconds of the wall that it should take, and the most rounds.
    Returns {side: numbers of the report}, the same on all ranks."""
    guess = {side: once(agreement, call.run) for side, call in calls.items()}
    count = {side: min(MOST, max(1, round(BATCH / t))) for side, t in guess.items()}
    warm = {side: t < 5 * BATCH for side, t in guess.items()}
    cost = sum((count[side] + warm[side]) * t + 5e-4 for side, t in guess.items())
    most = min(rounds, WIDTH // 2 // len(calls))
    turns = max(FEWEST_ROUNDS, min(most, math.floor(budget / cost)))

    begins, ends = [], []
    for i in range(turns):
        order = list(calls) if i % 2 == 0 else list(calls)[::-1]
        took = {}
        for side in order:
            if warm[side]:
                agreement.wait()
                calls[side].run()
            took[side] = batch(agreement, calls[side].run, count[side])
        begins += [took[side][0] for side in calls]
        ends += [took[side][1] for side in calls]
    spans = agreement.span(begins, ends)
    result = {}
    for i, (side, call) in enumerate(calls.items()):
        times = [span / count[side] / call.per_run for span in spans[i::len(calls)]]
        result[side] = {"median": statistics.median(times), "best": min(times),
                        "worst": max(times), "calls": count[side], "rounds": turns}
    return result


def memory_calls(tensors):
    """Plain loops over all of one rank's buffers: {name: (run, bytes read and written)}."""
    a, b, size = tensors.a, tensors.b, tensors.a.nbytes
    return {
        "copy": (lambda: ctypes.memmove(b.data_ptr(), a.data_ptr(), size), 2 * size),
        "scale": (lambda: a.mul_(0.5), 2 * size),
        "triad": (lambda: b.add_(a, alpha=0.5), 3 * size),
    }
