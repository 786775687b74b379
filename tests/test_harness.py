"""The comparison with the CPU can fail: each kind of difference is found."""

import contextlib
import os

import opcheck
import pytest
import sweep
import torch
from declared import TESTS
from outcome import Mismatch, observe, same_error, same_value
from torch.testing._internal.opinfo.core import SampleInput
from twin import twin

T = torch.arange(6.0).reshape(2, 3)
DIFFERENT = {
    "value": T + 1e-3,
    "nan": T * float("nan"),
    "dtype": T.double(),
    "shape": T.reshape(6),
    "strides": T.t().contiguous().t(),
    "requires_grad": T.clone().requires_grad_(),
    "structure": (T, T),
    "no tensor": 3,
    "device": torch.empty(2, 3, device="meta"),
}


@pytest.mark.parametrize("name", list(DIFFERENT))
def test_difference_is_found(name):
    same_value(T, T.clone(), "cpu")
    with pytest.raises(Mismatch):
        same_value(T, DIFFERENT[name], "cpu")


def test_lazy_bits_are_compared():
    z = torch.complex(T, T)
    same_value(z.conj(), z.conj(), "cpu")
    with pytest.raises(Mismatch):
        same_value(z.conj(), z.conj_physical(), "cpu")


def test_error_types_are_compared():
    good, bad = observe(lambda: 1), observe(lambda: 1 / 0)
    other = observe(lambda: [][0])
    same_error(bad, bad)
    for pair in ((good, bad), (bad, good), (bad, other)):
        with pytest.raises(Mismatch):
            same_error(*pair)


def test_random_draws_are_noticed():
    assert observe(lambda: torch.rand(2)).drew_random
    assert not observe(lambda: torch.ones(2)).drew_random


def test_twins_keep_the_layout():
    base = torch.arange(12.0)
    pair = [base[1:7:2], base.reshape(3, 4).t()]
    one, two = twin(pair, "cpu")
    assert one.stride() == (2,) and one.storage_offset() == 1 and two.stride() == (1, 4)
    one[0] = 99  # the twins share memory as the originals do, and not with them
    assert two[1, 0] == 99 and base[1] == 1
    z = torch.complex(T, T).conj()
    assert twin(z, "cpu").is_conj() and torch.equal(twin(z, "cpu"), z)
    weight = torch.nn.Parameter(T.clone())
    assert isinstance(twin(weight, "cpu"), torch.nn.Parameter)
    assert twin({"a": T[0].requires_grad_(False)}, "cpu")["a"].requires_grad is False


def test_a_wrong_operator_fails_its_check(monkeypatch):
    op = opcheck.OPS["add"]
    calls = []

    def lies(*args, **kwargs):
        calls.append(1)
        return torch.add(*args, **kwargs) + (len(calls) % 2 == 0)  # wrong on the second call

    monkeypatch.setattr(op, "op", lies)
    status, message, _ = opcheck.check("add", "float32", "forward", 2)
    assert status == "fail" and "sample 0" in message


SORTED = torch.tensor([1.0, 1.0, 2.0, 2.0])


@pytest.mark.parametrize("indices, stable, equal", [
    ([1, 3, 0, 2], False, True),
    ([3, 1, 2, 0], False, True),   # equal elements in another order
    ([3, 1, 2, 0], True, False),   # ... which a stable sort forbids
    ([1, 0, 3, 2], False, False),  # another element
    ([1, 1, 0, 2], False, False),  # one element twice
    ([1, 4, 0, 2], False, False),  # no element
])
def test_only_equal_elements_may_be_exchanged(indices, stable, equal):
    op = opcheck.OPS["sort"]
    sample = SampleInput(torch.tensor([2.0, 1.0, 2.0, 1.0]), kwargs={"stable": stable})
    cpu = (SORTED, torch.tensor([1, 3, 0, 2]))
    dev = (SORTED, torch.tensor(indices))
    with contextlib.nullcontext() if equal else pytest.raises(Mismatch):
        opcheck.same_result(op, sample, cpu, dev, "cpu", values=True)


@pytest.mark.parametrize("cpu, dev, equal", [(4.5, 5.0, True), (5.0, 4.5, False), (4.5, 6.0, False)])
def test_half_precision_is_no_further_from_float32_than_the_cpu(cpu, dev, equal):
    """The sum is 5."""
    sample = SampleInput(torch.tensor([2.0]).bfloat16(), args=(torch.tensor([3.0]).bfloat16(),))
    values = [torch.tensor([v]).bfloat16() for v in (cpu, dev)]
    with contextlib.nullcontext() if equal else pytest.raises(Mismatch):
        opcheck.same_result(opcheck.OPS["add"], sample, *values, "cpu", values=True)


def test_a_dead_or_silent_worker_costs_one_task(monkeypatch, tmp_path):
    """A stand-in worker that dies of "crash", sleeps on "hang" and passes the rest."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, os, sys, time\n"
        "out = os.fdopen(int(sys.argv[2]), 'w')\n"
        "print('ready', file=out, flush=True)\n"
        "for line in sys.stdin:\n"
        "    op, dtype, kind, limit = json.loads(line)\n"
        "    if op == 'crash': os.kill(os.getpid(), 11)\n"
        "    if op == 'hang': time.sleep(60)\n"
        "    print(json.dumps({'op': op, 'dtype': dtype, 'kind': kind, 'status': 'pass',\n"
        "                      'fallbacks': {}}), file=out, flush=True)\n")
    monkeypatch.setattr(sweep, "__file__", str(script))
    tasks = [(name, "float32", "forward") for name in ("a", "crash", "b", "hang", "c")]
    records = sweep.sweep(tasks, workers=1, timeout=2)
    assert [r["status"] for r in records] == ["pass", "crash", "pass", "hang", "pass"]
    assert "SIGSEGV" in records[1]["message"]
    assert "60.00 %" in sweep.summary(records)


def test_declared_tests_exist():
    here = os.path.dirname(os.path.abspath(__file__))
    for entry in TESTS:
        file, _, name = entry.test.partition("[")[0].partition("::")
        with open(os.path.join(here, file)) as source:
            assert f"def {name.rpartition('::')[2]}(" in source.read(), entry
