"""Interleaved timing: the sides take turns, so that a change of the machine's speed hits all."""

import statistics
import time


def interleave(sides: dict, rounds: int, seconds: float = 0.0, clock=time.perf_counter) -> dict:
    """Seconds of every round for each side: ``{name: [float, ...]}``.

    Args:
        sides: name to a function without arguments.
        rounds: turns that are counted; two before them warm up.
        seconds: goes on with further rounds until so much time has passed.
    """
    times = {name: [] for name in sides}
    begin, i = time.perf_counter(), 0
    while i < rounds + 2 or time.perf_counter() - begin < seconds:
        order = list(sides) if i % 2 == 0 else list(sides)[::-1]
        for name in order:
            # Threads of another engine's pool spin for a moment after its last parallel loop.
            time.sleep(0.002)
            start = clock()
            sides[name]()
            elapsed = clock() - start
            if i >= 2:
                times[name].append(elapsed)
        i += 1
    return times


def median(values) -> float:
    return statistics.median(values)
