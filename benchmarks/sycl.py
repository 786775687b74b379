"""The SYCL engine against plain C++, plain oneDNN and the host engine, measured in turns.

    .venv/bin/python benchmarks/sycl.py                 # about 15 minutes
    .venv/bin/python benchmarks/sycl.py --quick         # does everything run: 1 or 2 minutes
    .venv/bin/python benchmarks/sycl.py --only memory,products
    .venv/bin/python benchmarks/sycl.py --only memory --match softmax --host

The parts: memory, products, launch, models, start.
"""

import argparse
import os
import re
import statistics
import sys
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version

from common import machine, seconds
from sycl_parts import memory_cases, sides
from sycl_parts.picture import draw
from sycl_parts.start import first_use

PARTS = ("memory", "products", "launch", "models", "start")

PRODUCTS = [
    "matmul f32 1024 1024 1024", "matmul f32 128 3072 768", "matmul f32 2048 2048 2048",
    "matmul bf16 1024 1024 1024", "matmul bf16 2048 2048 2048",
    "conv f32 1 64 56 56 64 3 1 1", "conv f32 8 128 28 28 128 3 1 1",
    "conv f32 8 256 14 14 1024 1 1 0", "conv bf16 8 128 28 28 128 3 1 1",
]
MODELS = {"BERT-base, 128 tokens": "bert 128 1", "ResNet-50, 224x224": "resnet50 224 1"}


class Report:
    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, limit, detail):
        self.rows.append({"name": name, "value": value, "unit": unit, "limit": limit, **detail})
        bound = "" if limit is None else f"  ({'at least' if unit == 'share' else 'at most'} {limit:g})"
        shown = seconds(value) if unit == "seconds" else f"{value:.2f}"
        more = ", ".join(f"{k} {v if isinstance(v, str) else seconds(v)}" for k, v in detail.items())
        print(f"  {name:34} {shown:>9}{bound}  {more}", flush=True)


def memory(options, report):
    count = 1 << 18 if options.quick else 1 << 24
    repeats = 1 if options.quick else 3
    rounds = 1 if options.quick else options.rounds
    chosen = {k: v for k, v in memory_cases.names().items()
              if (re.search(options.match, k) if options.match else True)}
    if options.quick and not options.match:
        chosen = {k: v for k, v in chosen.items() if "/" not in k}
    print(f"Bandwidth, {count} elements: share of the triad's")
    with ExitStack() as stack:
        device = stack.enter_context(sides.worker(options.devices))
        triad = stack.enter_context(sides.triad())
        host = stack.enter_context(sides.worker("host")) if options.host else None
        for name, (size, limit) in chosen.items():
            line = f"memory {count} {name} {repeats}"
            pairs = {"ours": (device, line), "triad": (triad, f"triad {count} {repeats}")}
            if host:
                pairs["host"] = (host, line)
            times = sides.in_turns(pairs, rounds)
            ours, reference = size * count / times["ours"], 12 * count / times["triad"]
            detail = {"GB/s": f"{ours / 1e9:.1f}", "triad's": f"{reference / 1e9:.1f}"}
            if host:
                detail["the host engine's"] = f"{size * count / times['host'] / 1e9:.1f}"
            report.add(name, ours / reference, "share", limit, detail)


def products(options, report):
    direct, reason = sides.onednn(options.devices)
    if direct is None:
        print(f"Products: left out, {reason}")
        return
    print("Products: speed relative to oneDNN called directly")
    with sides.worker(options.devices) as device, direct:
        for case in PRODUCTS[:1] + PRODUCTS[5:6] if options.quick else PRODUCTS:
            times = sides.in_turns({"ours": (device, f"{case} 10"), "oneDNN": (direct, f"{case} 10")},
                                   options.rounds)
            report.add(case, times["oneDNN"] / times["ours"], "share", 0.95, times)


def launch(options, report):
    print("Launch: host time of torch.add(x, x, out=y) on 16 elements")
    with sides.worker(options.devices) as device:
        times = sides.in_turns({"device": (device, "tiny add 300")}, options.rounds)
    report.add("launch", times["device"], "seconds", 8e-6, {})


def models(options, report):
    print("Models, forward and backward: time relative to the host engine")
    cases = {"BERT-base, 16 tokens": "bert 16 1"} if options.quick else MODELS
    with sides.worker(options.devices) as device, sides.worker("host") as host:
        for name, case in cases.items():
            times = sides.in_turns({"sycl": (device, f"{case} 1"), "host": (host, f"{case} 1")},
                                   options.rounds)
            report.add(name, times["sycl"] / times["host"], "ratio", 1.3, times)


def start(options, report):
    print("First use of the device in a fresh process, after torch's import")
    times = first_use(options.devices, 1 if options.quick else 5)
    report.add("cold cache", statistics.median(times["cold"]), "seconds", 3.0, {})
    report.add("warm cache", statistics.median(times["warm"]), "seconds", 1.0, {})


def versions():
    found = []
    for package in ("torch", "torch-xpu-lite", "intel-sycl-rt", "intel-opencl-rt", "onednn"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", help="value of XPU_LITE_DEVICES (default: that variable's, or "
                        "opencl:cpu)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas")
    parser.add_argument("--match", help="of the part memory, only cases that match this expression")
    parser.add_argument("--host", action="store_true",
                        help="in the part memory, measure the host engine, too")
    parser.add_argument("--rounds", type=int, help="interleaved repetitions (default: 9)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run")
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--picture", help="also draw them to this file")
    options = parser.parse_args()
    if options.devices is None:
        chosen = os.environ.get("XPU_LITE_DEVICES", "")
        options.devices = chosen if chosen.startswith(("opencl", "level_zero")) else "opencl:cpu"
    options.rounds = options.rounds or (2 if options.quick else 9)
    wanted = options.only.split(",")
    for part in wanted:
        if part not in PARTS:
            sys.exit(f"--only {part}: expected some of {', '.join(PARTS)}")
    lines = [machine("cpu")[0], f"XPU_LITE_DEVICES={options.devices}", versions(),
             f"load {os.getloadavg()[0]:.1f}"]
    print("The SYCL engine", *lines, sep="\n  ")
    missing = sides.missing(options.devices)
    if missing:
        print(f"Left out: {missing}")
        return
    report = Report()
    for part in wanted:
        try:
            {"memory": memory, "products": products, "launch": launch, "models": models,
             "start": start}[part](options, report)
        except RuntimeError as error:
            sys.exit(f"{part}: {error}")
    result = {"title": "The SYCL engine", "machine": lines, "quick": options.quick,
              "rows": report.rows}
    if options.json:
        sides.dump(options.json, result)
    if options.picture:
        draw(result, options.picture)


if __name__ == "__main__":
    main()
