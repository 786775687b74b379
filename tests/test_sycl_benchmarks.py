"""benchmarks/sycl.py: a small run of it. Needs XPU_LITE_DEVICES naming a SYCL device."""

import json
import subprocess
import sys
from pathlib import Path

from engine import sycl_only

pytestmark = sycl_only()
PROGRAM = Path(__file__).resolve().parent.parent / "benchmarks" / "sycl.py"


def test_a_quick_run(tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--quick", "--only", "memory,launch,start", "--json",
         str(tmp_path / "out.json"), "--picture", str(tmp_path / "out.png")],
        capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["name"]: row for row in json.loads((tmp_path / "out.json").read_text())["rows"]}
    assert {"add", "copy", "softmax", "launch", "cold cache", "warm cache"} <= set(rows)
    assert all(row["value"] > 0 for row in rows.values())
    assert (tmp_path / "out.png").stat().st_size > 1000


def test_an_unknown_part_is_an_error():
    done = subprocess.run([sys.executable, str(PROGRAM), "--only", "speed"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode != 0 and "expected some of memory" in done.stderr
