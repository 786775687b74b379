"""Compiles every SPIR-V module of the package for real Intel GPUs, without one.

spirv-val checks each module; ocloc, the drivers' own compiler, builds it for each
GPU, and says which kernels spill registers. Also checked: a kernel that is not for
float64 (float16) needs no such hardware. What has passed is remembered by the
module's contents, so that a second run builds only what changed.

What this proves and what not: docs/gpu-check.md.

Usage: python3 tools/gpu_check.py [--kernels DIR] [--devices pvc,bmg,...] [--sample N]
Exit status: 0 passed, or skipped with a reason; 1 something failed.
"""

import argparse
import concurrent.futures
import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import gpu_tools

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "gpu-check"
DEVICES = {  # what ocloc calls it: what it is
    "pvc": "Data Center GPU Max", "bmg": "Arc B-Series (Battlemage)",
    "dg2": "Arc A-Series (Alchemist)", "lnl": "Core Ultra 200V (Lunar Lake)",
    "ptl": "Panther Lake",
}
WITHOUT_FP64 = {"dg2"}  # the engine refuses float64 there before it builds a kernel
FP64, FP16 = 1, 2
BATCH = 250_000  # bytes of modules for one start of ocloc: a few seconds of work
LIMIT = 300  # seconds for a batch, and then for each of its modules: more is a failure
SLOW = 5.0  # seconds: a user waits so long for the first call of such a kernel


class Module:
    """One kernel as it is shipped."""

    def __init__(self, name, archive, needs, data):
        self.name, self.archive, self.needs, self.data = name, archive, needs, data
        self.key = hashlib.sha256(data).hexdigest()[:24]
        self.path = WORK / "spv" / f"{self.key}.spv"


def read_archive(path):
    """The modules of one archive (backend/xpu/spirv/archive.h)."""
    data = Path(path).read_bytes()
    magic, version, count, size = struct.unpack_from("<8sIIQ", data)
    if magic != b"XPULITEK" or version != 1 or size != len(data):
        raise SystemExit(f"{path} is not a kernel archive of this version: build the package again")
    modules = []
    for i in range(count):
        at, length, _, name, name_size, needs, _ = struct.unpack_from("<QQQIIII", data, 24 + 40 * i)
        modules.append(Module(data[name : name + name_size].decode(), Path(path).stem, needs,
                              data[at : at + length]))
    return modules


def kernel_folder():
    """The archives of the newest build, or of the installed package."""
    folders = [Path(p).parent for p in glob.glob(str(ROOT / "build/*/kernels/*.xk"))]
    found = subprocess.run(
        [str(ROOT / ".venv/bin/python"), "-c",
         "import importlib.util as u; print(u.find_spec('torch_xpu_lite._build_info').origin)"],
        env={**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}, text=True, capture_output=True,
    ) if (ROOT / ".venv/bin/python").exists() else None
    if found is not None and found.returncode == 0:
        installed = Path(found.stdout.strip()).parent / "kernels"
        if list(installed.glob("*.xk")):
            return installed
    if folders:
        return max(folders, key=lambda f: max(p.stat().st_mtime for p in f.glob("*.xk")))
    return None


def wrong_needs(module):
    """Why the module asks for more of the device than its name allows, or None."""
    name = module.name
    if module.needs & FP64 and not re.search(r"f64|c128", name):
        return "needs float64, which its name does not say"
    if module.needs & FP16 and not re.search(r"(?<!b)f16|c32", name):
        return "needs float16, which its name does not say"
    return None


def validate(command, modules, known):
    """spirv-val over all modules: {key: message}; `known` holds what has passed."""
    def one(module):
        result = subprocess.run(command + [str(module.path)], text=True, errors="replace",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = result.stdout.strip() or f"exit status {result.returncode}"
        return module.key, text if result.returncode else ""

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(pool.map(one, (m for m in modules if m.key not in known)))
    known.update({key: True for key, text in found.items() if not text})
    return {m.key: found.get(m.key, "") for m in modules}


def build(ocloc, device, modules):
    """Builds a batch for a device: {key: {"ok", "spill", "seconds", "log"}}.

    When the compiler crashes or hangs, the modules that it gave no verdict on are
    built again one by one, so that the one to blame is named and the others are not.
    """
    out = WORK / "out" / f"{device}-{modules[0].key}-{len(modules)}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    listing = out / "commands.txt"
    listing.write_text("".join(
        f"compile -file {m.path} -spirv_input -device {device} -out_dir {out}\n" for m in modules))
    before = time.time()
    try:
        result = subprocess.run(ocloc + ["multi", str(listing)], text=True, errors="replace",
                                cwd=out, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=LIMIT)
        text, ended = result.stdout, f"ocloc ended with status {result.returncode}"
    except subprocess.TimeoutExpired as reason:
        text, ended = (reason.stdout or b"").decode(errors="replace"), f"not done in {LIMIT} s"
    logs = re.split(r"^Command number \d+: ?$", text, flags=re.MULTILINE)[1:]
    done = {int(i): word == "successful" for i, word in
            re.findall(r"^Build command (\d+): (successful|failed)", text, re.MULTILINE)}
    results = {}
    for i, module in enumerate(modules):
        if i not in done and len(modules) > 1:
            results.update(build(ocloc, device, [module]))
            continue
        log = logs[i] if i < len(logs) else text[-2000:]
        spills = [int(n) for n in re.findall(r"spilled around (\d+)", log)]
        binary = next(out.glob(f"build_no_{i + 1}_*.bin"), None)
        # A success without a binary is none.
        ok = done.get(i, False) and binary is not None and binary.stat().st_size > 0
        after = binary.stat().st_mtime if binary else before
        if not ok:
            log = (log.split("Build command")[0].strip() + f" [{ended}]")[-1500:]
        results[module.key] = {"ok": ok, "spill": max(spills, default=0),
                               "seconds": round(after - before, 2), "log": "" if ok else log}
        before = after
    shutil.rmtree(out)
    return results


def batches(modules):
    """Modules in lists of about BATCH bytes, which is what a build's time goes by."""
    size, batch = 0, []
    for module in sorted(modules, key=lambda m: (m.archive, m.name)):
        if batch and size + len(module.data) > BATCH:
            yield batch
            size, batch = 0, []
        batch.append(module)
        size += len(module.data)
    if batch:
        yield batch


def build_all(ocloc, devices, modules, jobs, remembered, store, tag):
    """Builds what is not remembered; gives {device: {key: result}}."""
    results, work = {}, []
    for device in devices:
        known = store.setdefault(f"{device}-{tag}", {})
        wanted = {m.key: m for m in modules
                  if not (device in WITHOUT_FP64 and m.needs & FP64)}
        results[device] = {k: known[k] for k in wanted if k in known}
        missing = [m for k, m in wanted.items() if k not in known]
        work += [(device, batch) for batch in batches(missing)]
    total, done, start = sum(len(batch) for _, batch in work), 0, time.monotonic()
    size, built = sum(len(m.data) for _, batch in work for m in batch), 0
    print(f"{total} builds to do, {jobs} at once", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(build, ocloc, device, batch): (device, batch)
                   for device, batch in work}
        shown = start
        for future in concurrent.futures.as_completed(futures):
            (device, batch), made = futures[future], future.result()
            results[device].update(made)
            store[f"{device}-{tag}"].update({k: r for k, r in made.items() if r["ok"]})
            done += len(made)
            built += sum(len(m.data) for m in batch)
            now = time.monotonic()
            if now - shown > 30 or done == total:
                shown = now
                left = (now - start) / built * (size - built)
                print(f"  {done} of {total}, about {left / 60:.0f} min left", flush=True)
                save(remembered, store)
    save(remembered, store)
    return results


def save(path, store):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(store))
    temporary.replace(path)


def pick(modules, sample):
    """`sample` modules, from all archives in turn; the same ones each time."""
    if not sample or sample >= len(modules):
        return modules
    archives = {}
    for module in sorted(modules, key=lambda m: m.key):
        archives.setdefault(module.archive, []).append(module)
    turns = itertools.zip_longest(*(archives[name] for name in sorted(archives)))
    return [module for turn in turns for module in turn if module is not None][:sample]


def report(modules, devices, invalid, results, wrong):
    """Writes build/gpu-check/report.txt and prints its summary. True when all passed."""
    names = {}
    for module in modules:
        names.setdefault(module.key, module.name)
    lines = [f"{len(modules)} kernels, {len(names)} different modules; {gpu_tools.version(None).split()}",
             ""]
    failures = [f"spirv-val: {names[key]}: {text}" for key, text in invalid.items() if text]
    failures += [f"{module.name}: {text}" for module, text in wrong]
    summary = [f"spirv-val: {len(names) - sum(bool(t) for t in invalid.values())} of {len(names)} valid"]
    for device in devices:
        mine = results[device]
        spilled = sorted(((r["spill"], names[k]) for k, r in mine.items() if r["spill"]), reverse=True)
        good = sum(r["ok"] for r in mine.values())
        slow = sorted(((r["seconds"], names[k]) for k, r in mine.items()
                       if r.get("seconds", 0) >= SLOW), reverse=True)
        left_out = sum(1 for key in names if key not in mine)
        summary.append(
            f"{device} ({DEVICES[device]}): {good} of {len(mine)} build; {len(spilled)} spill registers"
            + (f", most {spilled[0][1]} ({spilled[0][0]})" if spilled else "")
            + (f"; {left_out} for float64 left out: the device has none" if left_out else ""))
        failures += [f"{device}: {names[k]}: {r['log']}" for k, r in mine.items() if not r["ok"]]
        lines += [f"register spills on {device}:"] + [f"  {n:6d}  {name}" for n, name in spilled] + [""]
        if slow:
            lines += [f"slow to build for {device} (seconds):"]
            lines += [f"  {n:6.1f}  {name}" for n, name in slow] + [""]
    lines = summary + [""] + ["failures:"] * bool(failures) + failures + [""] + lines
    (WORK / "report.txt").write_text("\n".join(lines))
    print("\n".join(summary))
    for failure in failures[:20]:
        print(f"FAILED {failure}")
    if len(failures) > 20:
        print(f"and {len(failures) - 20} more")
    print("the whole report: build/gpu-check/report.txt")
    return not failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kernels", help="folder with *.xk; default: the installed package's")
    parser.add_argument("--devices", default=",".join(DEVICES))
    parser.add_argument("--sample", type=int, default=0, help="so many kernels; 0: all")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    devices = options.devices.split(",")
    if unknown := [d for d in devices if d not in DEVICES]:
        parser.error(f"--devices: {', '.join(unknown)}: known are {', '.join(DEVICES)}")
    folder = Path(options.kernels) if options.kernels else kernel_folder()
    archives = sorted(folder.glob("*.xk")) if folder else []
    if not archives:
        print("SKIPPED: no kernels are built (no SYCL runtime when the package was built?): "
              "make env after pip install intel-sycl-rt intel-opencl-rt")
        return 0
    try:
        ocloc, validator = gpu_tools.find()
    except gpu_tools.Unavailable as reason:
        print(f"SKIPPED: {reason}")
        return 0
    every = [module for archive in archives for module in read_archive(archive)]
    modules = pick(every, options.sample)
    (WORK / "spv").mkdir(parents=True, exist_ok=True)
    unique = {}
    for module in modules:
        unique.setdefault(module.key, module)
        if not module.path.exists():
            module.path.write_bytes(module.data)
    print(f"{folder}: {len(every)} kernels in {len(archives)} archives; checking {len(modules)}")
    wrong = [(m, text) for m in every if (text := wrong_needs(m))]
    remembered = WORK / "passed.json"
    store = json.loads(remembered.read_text()) if remembered.exists() else {}
    tag = hashlib.sha256(gpu_tools.version(ocloc).encode()).hexdigest()[:8]
    invalid = validate(validator, list(unique.values()), store.setdefault(f"spirv-val-{tag}", {}))
    save(remembered, store)
    results = build_all(ocloc, devices, list(unique.values()), options.jobs, remembered, store, tag)
    passed = report(modules, devices, invalid, results, wrong)
    print("gpu-check: " + ("PASSED" if passed else "FAILED"))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
