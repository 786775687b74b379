"""How long the first use of the device takes in a fresh process."""

import os
import subprocess
import sys
import tempfile

PROGRAM = """
import time, torch
start = time.perf_counter()
x = torch.ones(4, device="xpu_lite") + 1
assert x.cpu().tolist() == [2.0] * 4
print(time.perf_counter() - start)
"""


def first_use(devices, rounds):
    """Lists of seconds, after torch's import: {"cold": [...], "warm": [...]}."""
    times = {"cold": [], "warm": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            os.chmod(cache, 0o700)
            for state in ("cold", "warm"):
                env = {**os.environ, "XPU_LITE_DEVICES": devices, "XPU_LITE_CACHE_DIR": cache,
                       "SYCL_CACHE_PERSISTENT": "0"}
                done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, text=True,
                                      capture_output=True)
                if done.returncode:
                    raise RuntimeError(f"first use failed: {done.stderr.strip()[-500:]}")
                times[state].append(float(done.stdout.split()[-1]))
    return times
