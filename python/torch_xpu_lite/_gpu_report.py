"""``xpu-lite doctor --gpu``: the first hour on a GPU, as one command.

Runs what docs/gpu-first-hour.md lists, each step in a process of its own with a time
limit, and writes a report to send back.
"""

import glob
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VARIABLES = ("XPU_LITE_", "SYCL_", "UR_", "ONEAPI_", "ZE_", "ZES_", "OCL_", "IGC_", "NEO")
SOURCES = Path(__file__).resolve().parents[2]


class Report:
    """Lines for the file and, shorter, for the terminal."""

    def __init__(self, path):
        self.path, self.failed, self.count = Path(path), [], 0
        self.file = open(path, "w")

    def write(self, text):
        self.file.write(text.rstrip("\n") + "\n")
        self.file.flush()

    def step(self, title, command, limit, needed=True, **environment):
        """Runs a step; True when it succeeded. One that is not `needed` cannot fail."""
        self.count += 1
        print(f"[{self.count:2}] {title} ... ", end="", flush=True)
        start = time.monotonic()
        status, output = run(command, limit, environment)
        good = status == 0
        word = "ok" if good else f"timed out after {limit} s" if status is None else \
            f"crashed (signal {-status})" if status < 0 else "FAILED"
        seconds = time.monotonic() - start
        print(f"{word} ({seconds:.0f} s)", flush=True)
        self.write(f"\n== {self.count}. {title}: {word} ({seconds:.1f} s)")
        self.write("   " + " ".join([f"{k}={v}" for k, v in environment.items()]
                                    + [os.path.basename(command[0]), *command[1:]]))
        self.write(output)
        if not good and needed:
            self.failed.append(title)
        return good


def run(command, limit, environment):
    """(exit status or None when the time was up, output). Ends all that it started."""
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, **environment}, start_new_session=True)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            status = None
        out.seek(0)
        return status, out.read()


def machine():
    """Lines about the system, without anything personal."""
    yield f"system: {platform.platform()}"
    for line in Path("/etc/os-release").read_text().splitlines() if os.path.exists("/etc/os-release") else []:
        if line.startswith("PRETTY_NAME="):
            yield f"distribution: {line[13:-1]}"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            yield f"processor: {line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
            break
    nodes = sorted(glob.glob("/dev/dri/renderD*"))
    for node in nodes:
        usable = "usable" if os.access(node, os.R_OK | os.W_OK) else \
            "NOT usable by this user: add it to the group of the file"
        yield f"{node}: {usable}"
    if not nodes:
        yield "/dev/dri: no render node: no GPU driver (i915, xe) is loaded, or the container hides it"
    for driver in ("i915", "xe"):
        version = Path(f"/sys/module/{driver}/version")
        if Path(f"/sys/module/{driver}").exists():
            yield f"kernel driver {driver} {version.read_text().strip() if version.exists() else ''}"
    for name in sorted(os.environ):
        if name.startswith(VARIABLES):
            yield f"{name}={os.environ[name]}"


def choose_device():
    """XPU_LITE_DEVICES for the steps: as it is set, else the GPUs of Level Zero."""
    return os.environ.get("XPU_LITE_DEVICES") or "level_zero:gpu"


def run_report(path, quick) -> int:
    """Runs all steps. Returns 1 if one failed, else 0."""
    report = Report(path)
    selector = choose_device()
    report.write(f"xpu-lite: report of `xpu-lite doctor --gpu`, {time.strftime('%Y-%m-%d %H:%M')}, "
                 f"XPU_LITE_DEVICES={selector}")
    for line in machine():
        report.write(line)
    python = sys.executable

    def step(name, limit=600, title=None, **environment):
        from torch_xpu_lite import _gpu_steps

        return report.step(title or _gpu_steps.STEPS[name].__doc__,
                           [python, "-m", "torch_xpu_lite._gpu_steps", name], limit,
                           XPU_LITE_DEVICES=selector, **environment)

    report.step("what there is (xpu-lite info)", [python, "-m", "torch_xpu_lite", "info"], 120,
                XPU_LITE_DEVICES=selector)
    report.step("installed packages", [python, "-m", "pip", "freeze"], 120, needed=False)
    with tempfile.TemporaryDirectory() as cache:
        usable = step("first_use", 300, "first use, cold", XPU_LITE_CACHE_DIR=cache)
        if usable:
            step("first_use", 300, "first use, warm", XPU_LITE_CACHE_DIR=cache)
        elif step("first_use", 300, "first use, by SYCL instead of the driver's interface",
                  XPU_LITE_NATIVE_PROGRAMS="0"):
            os.environ["XPU_LITE_NATIVE_PROGRAMS"] = "0"  # the rest of the report is worth having
            usable = True
    if usable:
        for name in ("memory", "streams", "dtypes", "kernels", "training"):
            step(name)
        for name in ("dtypes", "kernels"):
            step(name, title=f"guarded: {name}", XPU_LITE_GUARD="1")
        step("speed")
        if not quick:
            from_sources(report, selector)
    else:
        report.write("\nThe steps after this one need it and were not run.")
    words = f"{report.count} steps, {len(report.failed)} failed" + (
        f": {', '.join(report.failed)}" if report.failed else "")
    report.write(f"\n{words}")
    print(f"{words}\nThe report is {report.path}. Please attach it to an issue of the project, "
          "also when all went well: the first reports from real GPUs are worth most.")
    return 1 if report.failed else 0


def from_sources(report, selector):
    """The tests and benchmarks of a source checkout."""
    tests = sorted(glob.glob(str(SOURCES / "tests/test_sycl_*.py")))
    benchmarks = sorted(glob.glob(str(SOURCES / "benchmarks/sycl*.py")))
    if not tests:
        report.write("\nTests and benchmarks of the engine are in the source checkout only: "
                     "run `xpu-lite doctor --gpu` from an editable installation of it.")
        return
    for path in tests:
        report.step(f"tests: {Path(path).name}",
                    [sys.executable, "-m", "pytest", "-q", "--maxfail=20", path], 1200,
                    XPU_LITE_DEVICES=selector)
    for path in benchmarks:
        report.step(f"benchmark: {Path(path).name}", [sys.executable, path], 1200,
                    XPU_LITE_DEVICES=selector)
