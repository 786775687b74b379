"""What the benchmarks share: interleaved timing, medians, ratios, what machine this is.

Times of the two devices are taken in turns in one process, so that a change of the machine's
speed hits both; what is reported are medians and their ratio.
"""

import argparse
import importlib.util
import json
import math
import os
import statistics
import sys
import time
import timeit
from dataclasses import dataclass

import torch

_MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "models.py")


def model_builders():
    """The tests' models.py: benchmarks and tests run the same models."""
    spec = importlib.util.spec_from_file_location("tests_models", _MODELS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(description, rounds):
    """Options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", default="xpu_lite", help="compared with cpu")
    parser.add_argument("--rounds", type=int, default=rounds, help="interleaved repetitions")
    parser.add_argument("--threads", type=int, help="of torch (default: the benchmark's)")
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--cpu-time", action="store_true",
                        help="time of this process instead of the clock's: for a busy machine")
    return parser


def machine(device="xpu_lite"):
    """One line each: processor, cores in use, versions."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0))
    lines = [f"{model}, {cores} cores, torch threads {torch.get_num_threads()}",
             f"load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, "
             f"torch {torch.__version__}"]
    if device != "cpu":
        from importlib.metadata import version
        lines.append(f"torch-xpu-lite {version('torch-xpu-lite')}, "
                     f"{getattr(torch, device).get_device_name()}")
    return lines


@dataclass
class Row:
    """Median seconds of one case on both sides."""

    name: str
    cpu: float
    device: float
    limit: float | None = None  # the ratio that the project promises

    @property
    def ratio(self):
        return self.device / self.cpu


def interleave(sides, rounds, number=None, at_least=5e-4, cpu_time=False):
    """Median seconds for one call of each side: {name: callable or (statement, globals)}.

    `number` calls are timed together; by default as many as take `at_least` seconds, which is
    short, so that most rounds are not interrupted by another process."""
    clock = time.process_time if cpu_time else time.perf_counter
    timers = {}
    for name, side in sides.items():
        timers[name] = (timeit.Timer(side, timer=clock) if callable(side)
                        else timeit.Timer(side[0], timer=clock, globals=side[1]))
    for timer in timers.values():  # the first calls pay for caches and lazy starts
        timer.timeit(1)
    if number is None:
        once = max(timer.timeit(3) / 3 for timer in timers.values())
        number = max(1, math.ceil(at_least / max(once, 1e-9)))
    for timer in timers.values():
        timer.timeit(number)
    times = {name: [] for name in timers}
    for i in range(rounds):
        order = list(timers) if i % 2 == 0 else list(timers)[::-1]
        for name in order:
            times[name].append(timers[name].timeit(number) / number)
    return {name: statistics.median(values) for name, values in times.items()}


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


def seconds(value):
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.2f} {unit}"
    return f"{value * 1e9:.0f} ns"


def report(title, rows, device, path=None, extra=()):
    """Prints the table of ratios; writes it as JSON when asked."""
    print(title)
    for line in machine(device):
        print(f"  {line}")
    width = max(len(row.name) for row in rows) if rows else 10
    print(f"\n  {'case':{width}}  {'cpu':>10}  {device:>10}  ratio")
    for row in rows:
        limit = "" if row.limit is None else f"  (at most {row.limit:.2f})"
        print(f"  {row.name:{width}}  {seconds(row.cpu):>10}  {seconds(row.device):>10}  "
              f"{row.ratio:5.2f}{limit}")
    for line in extra:
        print(f"  {line}")
    if path:
        with open(path, "w") as out:
            json.dump({"title": title, "machine": machine(device), "notes": list(extra),
                       "rows": [{**vars(r), "ratio": r.ratio} for r in rows]}, out, indent=1)
