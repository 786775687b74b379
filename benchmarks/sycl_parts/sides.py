"""Processes that measure when they are told to: each holds one side of a comparison, so that
two engines, or an engine and a plain C++ program, can be timed in turns."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = Path(tempfile.gettempdir()) / f"xpu_lite_bench_{os.getuid()}"


class Side:
    """A process that answers each line with seconds."""

    def __init__(self, command, **environment):
        env = {**os.environ, "OMP_WAIT_POLICY": "passive",
               **{k: v for k, v in environment.items() if v is not None}}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=env)

    def measure(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that measures {line!r} ended: exit "
                               f"{self.process.wait()}")
        if answer.startswith("error"):
            raise RuntimeError(f"{line}: {answer.strip()}")
        return float(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if error[0] is None:
            self.close()
        else:
            self.process.kill()


def worker(devices):
    """A Python process with torch on an engine; its lines are those of worker.py."""
    return Side([sys.executable, str(HERE / "worker.py")], XPU_LITE_DEVICES=devices)


def missing(devices):
    """Why the engine cannot be measured, or None."""
    done = subprocess.run(
        [sys.executable, "-c", "import torch; torch.ones(1, device='xpu_lite')"], text=True,
        capture_output=True, env={**os.environ, "XPU_LITE_DEVICES": devices})
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def triad():
    return Side([_compile(HERE.parent / "cpp" / "triad.cpp", ["-fopenmp", "-march=native"])])


def onednn(devices):
    """oneDNN without torch, or None and why."""
    prefix = Path(sys.prefix)
    if not (prefix / "include/oneapi/dnnl/dnnl_sycl.hpp").exists():
        return None, "oneDNN's headers are not installed (pip install onednn-devel)"
    flags = ["-isystem", f"{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib",
             "-Wl,--disable-new-dtags", "-ldnnl", "-lsycl", "-lOpenCL", "-ltbb", "-lirc", "-lintlc",
             "-limf", "-lsvml", "-Wl,--allow-shlib-undefined"]
    environment = {}
    loader = prefix / "lib/libintelocl.so"
    if loader.exists() and "OCL_ICD_FILENAMES" not in os.environ:
        environment["OCL_ICD_FILENAMES"] = str(loader)
    program = _compile(HERE / "onednn.cpp", flags)
    return Side([program], XPU_LITE_DEVICES=devices, **environment), None


def _compile(source, flags):
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if not compiler:
        raise RuntimeError(f"no C++ compiler for {source.name}; set CXX")
    BUILT.mkdir(mode=0o700, exist_ok=True)
    program = BUILT / source.stem
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([compiler, "-std=c++20", "-O3", str(source), "-o", str(program), *flags],
                       check=True)
    return str(program)


def in_turns(pairs, rounds):
    """Medians of {name: (side, line)}, measured in turns."""
    times = {name: [] for name in pairs}
    for i in range(rounds + 1):
        order = list(pairs) if i % 2 else list(pairs)[::-1]
        for name in order:
            side, line = pairs[name]
            seconds = side.measure(line)
            if i:  # the first round pays for caches and lazy starts
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def dump(path, data):
    with open(path, "w") as out:
        json.dump(data, out, indent=1)
