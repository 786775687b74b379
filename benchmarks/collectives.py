"""Collectives: xpulite (on the device and on CPU tensors), gloo and plain oneCCL, in one run."""

import argparse
import json
import multiprocessing
import os
import queue
import sys
import tempfile
import time
from pathlib import Path

from ccl import report
from ccl.calls import COLLECTIVES
from ccl.measure import Shared
from ccl.oneccl import build
from ccl.rank import main as rank_main
from common import machine

SIDES = ["xpulite", "xpulite cpu", "gloo", "oneccl"]
SIZES = [8] + [4 ** k for k in range(3, 15)]  # 8, 64, 256, ..., 64 MiB, 256 MiB
QUICK_SIZES = [8, 4 << 10, 256 << 10, 4 << 20]  # and 64 MiB of all_reduce
ROOT = Path(__file__).resolve().parent.parent
STUCK = 150  # seconds without a new cell after which the run is given up


def names(known):
    def parse(text):
        chosen = [name.strip() for name in text.split(",")]
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is not one of {', '.join(known)}")
        return chosen
    return parse


def sizes(text):
    units = {"K": 1 << 10, "M": 1 << 20}
    return [int(t[:-1]) * units[t[-1]] if t[-1] in units else int(t)
            for t in text.upper().split(",")]


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", default="2,4", help="numbers of ranks (default 2,4)",
                        type=lambda text: [int(t) for t in text.split(",")])
    parser.add_argument("--collectives", type=names(COLLECTIVES), help="default: all")
    parser.add_argument("--sides", type=names(SIDES), default=SIDES, help=", ".join(SIDES))
    parser.add_argument("--sizes", type=sizes, help="bytes, as 8,4K,64M")
    parser.add_argument("--quick", action="store_true", help="a few sizes, under a minute")
    parser.add_argument("--device", default="xpu_lite", help="of xpulite's tensors")
    parser.add_argument("--rounds", type=int, default=15, help="the most batches of a side")
    parser.add_argument("--minutes", type=float, help="to share out (default 10, quick 0.7)")
    parser.add_argument("--timeout", type=float, default=20, help="minutes; then it is ended")
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--again", metavar="JSON", help="show the results of such a file")
    parser.add_argument("--picture", default=str(ROOT / "runs/collectives.png"))
    parser.add_argument("--no-picture", action="store_true")
    parser.add_argument("--docs", action="store_true",
                        help="write docs/collectives.png and the numbers of docs/benchmarks.md")
    return parser.parse_args()


def run(ranks, plan, deadline, on_cell):
    """Starts the ranks and hands on their cells; RuntimeError with a rank's error, or when it
    takes too long. No rank outlives this call."""
    context = multiprocessing.get_context("spawn")
    shared = Shared(context, ranks)
    processes = [context.Process(target=rank_main, args=(rank, shared, plan), daemon=True)
                 for rank in range(ranks)]
    try:
        for process in processes:
            process.start()
        last, ended = time.monotonic(), None
        while True:
            try:
                kind, rank, content = shared.messages.get(timeout=0.5)
                if kind == "error":
                    raise RuntimeError(f"rank {rank} of {ranks} failed at "
                                       f"{shared.doing.value.decode()}\n{content}")
                on_cell(content)
                last = time.monotonic()
                continue
            except queue.Empty:
                pass
            codes = [process.exitcode for process in processes]
            if any(codes):
                # Its message may still be under way.
                ended = ended or time.monotonic()
                if time.monotonic() - ended > 3:
                    raise RuntimeError(f"ranks ended with {codes} at "
                                       f"{shared.doing.value.decode()}")
            elif all(code == 0 for code in codes):
                return
            now = time.monotonic()
            if now > deadline or now - last > STUCK:
                raise RuntimeError(f"given up at {shared.doing.value.decode()}: "
                                   f"{'the time is over' if now > deadline else 'nothing moves'}")
    finally:
        for process in processes:
            if process.pid and process.is_alive():
                process.kill()
        for process in processes:
            if process.pid:
                process.join()


def measure(opts):
    start = time.monotonic()
    library, why_not = None, None
    if "oneccl" in opts.sides:
        library, why_not = build(ROOT / "build/bench")
    notes = [f"oneccl is left out: {why_not}"] if why_not else []
    chosen = sorted(opts.sizes or (QUICK_SIZES if opts.quick else SIZES))
    seconds = 60 * (opts.minutes or (0.7 if opts.quick else 10))
    collectives = [name for name in COLLECTIVES
                   if opts.collectives is None or name in opts.collectives]
    cells = [(name, size) for name in collectives
             for size in ([0] if name == "barrier" else chosen)]
    if opts.quick and not opts.sizes and "all_reduce" in collectives:
        cells.insert(len(chosen), ("all_reduce", 64 << 20))
    results = {"title": "Collectives", "machine": machine(opts.device), "notes": notes,
               "cells": []}
    report.head(results)

    def on_cell(cell):
        results["cells"].append(cell)
        report.line(cell)

    with tempfile.TemporaryDirectory() as folder:
        for i, ranks in enumerate(opts.ranks):
            left = max(1.0, start + seconds - time.monotonic())
            plan = {"sides": [s for s in opts.sides if s != "oneccl" or library],
                    "cells": cells, "folder": folder,
                    "oneccl": library and str(library), "device": opts.device,
                    "rounds": opts.rounds, "cell": 0.25 if opts.quick else 1.5,
                    # More ranks than before take longer: in proportion to their number.
                    "seconds": left * ranks / sum(opts.ranks[i:])}
            try:
                run(ranks, plan, start + 60 * opts.timeout, on_cell)
            except RuntimeError as error:
                results["error"] = str(error)
                break
    results["minutes"] = round((time.monotonic() - start) / 60, 1)
    return results


def main():
    opts = options()
    if opts.again:
        with open(opts.again) as file:
            results = json.load(file)
        report.head(results)
    else:
        results = measure(opts)
    if opts.json:
        with open(opts.json, "w") as out:
            json.dump(results, out, indent=1)
    report.tables(results)
    report.verdicts(results)
    if "error" in results:
        print(f"NOT COMPLETE: {results['error']}", file=sys.stderr)
        return 1
    if opts.docs:
        report.picture(results, ROOT / "docs/collectives.png")
        report.page(results, ROOT / "docs/benchmarks.md")
    elif not opts.no_picture:
        os.makedirs(os.path.dirname(os.path.abspath(opts.picture)), exist_ok=True)
        report.picture(results, opts.picture)
        print(f"picture: {opts.picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
