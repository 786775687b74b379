"""Torch's operator database on the device: what the CPU gives, the device gives.

The selected operators run first, in worker processes (see sweep.py), so that an operator that
crashes or hangs fails its own test only. XL_SWEEP=full takes every sample and every kind for all
dtypes; the default takes the first samples: fewer on the SYCL engine, and non-contiguous inputs
there too, as its kernels take strides themselves. `-k` selects operators before anything runs.
"""

import fcntl
import json
import os

import opcheck
import pytest
import sweep
from declared import OPERATORS, operator_reason
from engine import ENGINE

FULL = os.environ.get("XL_SWEEP") == "full"
KINDS = ("forward", "queued", "backward", "out", "inplace", "errors") + (
    ("strided",) if FULL or ENGINE == "sycl" else ())
DTYPES = tuple(opcheck.DTYPES)
# A short run checks these in one dtype.
SHORT_DTYPES = {"out": ("float32",), "inplace": ("float32",), "queued": ("float32",),
                "strided": ("float32",)}
LIMIT = None if FULL else {"host": 3, "sycl": 2}[ENGINE]
BAD = ("fail", "crash", "hang")


def tasks(op, kind):
    dtypes = DTYPES if FULL else SHORT_DTYPES.get(kind, DTYPES)
    return list(opcheck.tasks_of(op, (kind,), dtypes))


@pytest.fixture(scope="session")
def results(request, tmp_path_factory):
    """{(op, kind): records} of every test selected in this session."""
    wanted = [(item.callspec.params["op"], item.callspec.params["kind"])
              for item in request.session.items
              if getattr(item, "function", None) is test_operator]
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):  # one sweep for all of pytest's workers
        root = root.parent
    path = root / "op_sweep.jsonl"
    with open(root / "op_sweep.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            records = sweep.sweep([t for pair in wanted for t in tasks(*pair)], LIMIT,
                                  workers=os.cpu_count() or 1, timeout=60)
            path.write_text("".join(json.dumps(r) + "\n" for r in records))
    found = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        found.setdefault((record["op"], record["kind"]), []).append(record)
    return found


@pytest.mark.parametrize("op,kind", [(op, kind) for op in opcheck.OPS for kind in KINDS
                                     if opcheck.applies(op, kind)])
def test_operator(op, kind, results):
    problems = []
    records = results[op, kind]
    for record in records:
        reason = operator_reason(op, record["dtype"], kind)
        bad = record["status"] in BAD
        where = f"{record['dtype']}: {record['status']}: {record['message']}"
        if bad and not reason:
            problems.append(where)
        elif reason and record["status"] == "pass":
            problems.append(f"{record['dtype']}: declared unsupported ({reason}) and passes")
    assert not problems, "\n".join(problems)
    if all(record["status"] in ("n/a", "cpu-fails") for record in records):
        pytest.skip("nothing that the CPU passes")
    if any(record["status"] in BAD for record in records):
        pytest.xfail("declared unsupported")


def test_declared_operators_exist():
    unknown = {entry.op for entry in OPERATORS} - set(opcheck.OPS)
    assert not unknown, f"declared.py names operators that the database lacks: {unknown}"
