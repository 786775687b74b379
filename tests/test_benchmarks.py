"""benchmarks/collectives.py: a small run, and what it concludes from numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def report():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from ccl import report
    finally:
        sys.path.remove(str(BENCHMARKS))
    return report


def cell(collective, size, ours, gloo, ranks=2, **more):
    times = {side: {"median": t} for side, t in
             {"xpulite": ours, "xpulite cpu": ours, "gloo": gloo}.items()}
    return {"ranks": ranks, "collective": collective, "bytes": size, "times": times, **more}


def test_a_run_measures_each_cell(tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, str(BENCHMARKS / "collectives.py"),
               "--sides", "xpulite,xpulite cpu,gloo", "--ranks", "2", "--sizes", "8,4K",
               "--collectives", "all_reduce,scatter,send_recv,barrier", "--quick", "--minutes", "0.1", "--timeout", "2", "--json", str(out),
               "--picture", str(tmp_path / "picture.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads(out.read_text())["cells"]
    assert [(c["collective"], c["bytes"]) for c in cells] == [
        (name, size) for name in ("all_reduce", "scatter", "send_recv") for size in (8, 4096)
    ] + [("barrier", 0)]
    for c in cells:
        assert set(c["times"]) >= {"xpulite", "gloo"}
        assert all(t["rounds"] >= 3 and t["median"] > 0 for t in c["times"].values())
    assert "never slower than gloo" in done.stdout
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_bandwidths_are_those_of_nccl_tests(report):
    assert report.bandwidths(cell("all_reduce", 4 << 20, 1, 1, ranks=4), "gloo") == (
        4 << 20, 1.5 * (4 << 20))
    assert report.bandwidths(cell("all_gather", 4 << 20, 1, 1, ranks=4), "gloo") == (
        4 << 20, 0.75 * (4 << 20))
    # A piece of at least one element: 16 bytes are moved.
    assert report.bandwidths(cell("all_gather", 8, 1, 1, ranks=4), "gloo")[0] == 16


def test_the_bound_counts_a_read_and_a_write_per_rank(report):
    size = 64 << 20
    memory = {"copy": 8e9, "scale": 12e9, "triad": 10e9}  # of one rank
    seconds, speed, loop = report.bound(cell("all_reduce", size, 1, 1, memory=memory))
    assert (seconds, speed, loop) == (2 * size / 10e9, 20e9, "triad")


def test_verdicts_find_what_misses(report):
    size, memory = 64 << 20, {"copy": 10e9, "triad": 9e9, "scale": 99e9}
    least = 2 * size / 10e9

    def passed(*cells):
        return [ok for ok, _ in report.judged({"cells": cells})]

    assert passed(cell("all_reduce", size, least / 0.61, 6 * least / 0.61, memory=memory)) == [
        True, True, True]
    assert passed(cell("all_reduce", size, least / 0.59, 4 * least / 0.59, memory=memory)) == [
        False, False, True]
    assert passed(cell("all_reduce", 8, 1e-6, 19e-6)) == [False, True]
    assert passed(cell("all_reduce", 8, 1e-6, 21e-6)) == [True, True]
    results = {"cells": [cell("gather", 64, 2e-6, 1e-6, ranks=4), cell("gather", 8, 1, 2)]}
    [(ok, text)] = report.judged(results)
    assert not ok and "2 of 4" in text and "4 ranks gather 64 B, xpulite: 2 us" in text
