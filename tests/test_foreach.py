"""The _foreach_* operators: torch's foreach databases against the CPU, then what they leave out."""

import os
from itertools import islice

import pytest
import torch
from outcome import Mismatch, observe, same_error, same_value
from torch.testing._internal.common_methods_invocations import (
    foreach_binary_op_db,
    foreach_other_op_db,
    foreach_pointwise_op_db,
    foreach_reduce_op_db,
    foreach_unary_op_db,
)
from twin import DEVICE, Twinner, twin

OPS = {op.name: op for db in (foreach_unary_op_db, foreach_binary_op_db, foreach_pointwise_op_db,
                              foreach_reduce_op_db, foreach_other_op_db) for op in db}
POINTWISE = {op.name for op in foreach_pointwise_op_db}
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.bool,
          torch.complex64]
# The last elements of a tensor, which do not fill a vector, are computed by the CPU's add and sub
# with a rounding after alpha * other; where the sum cancels, that error is what is left.
ROUNDED_TWICE = {torch.bfloat16: (6e-2, 1.6e-2), torch.float16: (4e-3, 4e-3)}
LIMIT = None if os.environ.get("XL_SWEEP") == "full" else 10


def place(op, sample, device):
    """Twins of the sample; the tensor of scalars of addcmul and addcdiv stays on the CPU."""
    twinner = Twinner(device)

    def move(value):
        stays = op.name in POINTWISE and isinstance(value, torch.Tensor)
        return value if stays else twinner(value)

    args = [move(a) for a in sample.args]
    kwargs = {k: move(v) for k, v in sample.kwargs.items()}
    return twinner(sample.input), args, kwargs


def compare(op, fn, sample, inplace):
    def run(device):
        first, args, kwargs = place(op, sample, device)
        outcome = observe(lambda: fn(first, *args, **kwargs))
        if inplace and outcome.error is None:
            outcome.value = first
        return outcome

    cpu, dev = run("cpu"), run(DEVICE)
    same_error(cpu, dev)
    if cpu.error is None:
        loose = op.name in ("_foreach_add", "_foreach_sub")
        dtype = sample.input[0].dtype
        same_value(cpu.value, dev.value, DEVICE,
                   tolerance=ROUNDED_TWICE.get(dtype) if loose else None)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("variant", ["functional", "inplace"])
@pytest.mark.parametrize("name", list(OPS))
def test_matches_cpu(name, variant, dtype):
    op = OPS[name]
    fn = op.inplace_variant if variant == "inplace" else op.method_variant
    if fn is None or (variant == "functional" and not op.supports_out):
        pytest.skip(f"{name} has no {variant} form")
    torch.manual_seed(0)
    try:
        samples = list(islice(op.sample_inputs("cpu", dtype), LIMIT))
    except (RuntimeError, ValueError) as error:
        pytest.skip(f"torch makes no {dtype} samples: {error}")
    for i, sample in enumerate(samples):
        try:
            compare(op, fn, sample, variant == "inplace")
        except Mismatch as error:
            raise Mismatch(f"sample {i}: {error}") from error.__cause__


SHAPES = [(3, 5), (), (1,), (0, 4), (257,), (2, 3, 4, 5), (70001,)]


def tensors(dtype=torch.float32, seed=0, shapes=SHAPES):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator).to(dtype) for s in shapes]


def check(fn, *lists):
    """fn(*lists) on the CPU and on the device: equal results and equal in-place effects."""
    here = twin(list(lists))
    cpu = fn(*lists)
    dev = fn(*here)
    same_value(cpu, dev, DEVICE)
    same_value(list(lists), here, DEVICE, what="arguments")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_many_shapes_in_one_list(dtype):
    check(lambda a, b: torch._foreach_add(a, b, alpha=0.5), tensors(dtype), tensors(dtype, 1))
    check(lambda a, b: torch._foreach_mul_(a, b), tensors(dtype), tensors(dtype, 1))
    check(lambda a, b: torch._foreach_lerp_(a, b, 0.9), tensors(dtype), tensors(dtype, 1))
    check(lambda a: torch._foreach_add_(a, list(range(len(SHAPES)))), tensors(dtype))
    check(lambda a: torch._foreach_zero_(a), tensors(dtype))


def channels_last(seed):
    return [t.to(memory_format=torch.channels_last)
            for t in tensors(seed=seed, shapes=[(2, 8, 4, 4), (1, 3, 5, 5)])]


def test_strides_are_kept():
    check(lambda a, b: torch._foreach_sub(a, b), channels_last(0), channels_last(1))


def test_lists_with_different_strides():
    plain = [t.contiguous() for t in channels_last(1)]
    check(lambda a, b: torch._foreach_addcmul_(a, b, b, value=2), channels_last(0), plain)
    check(lambda a, b: torch._foreach_copy_(a, b), channels_last(0), plain)


def test_views_with_gaps():
    check(lambda a: torch._foreach_mul_([t[:, ::2] for t in a], 3.0),
          tensors(shapes=[(4, 6), (5, 8)]))


def test_lists_of_mixed_dtypes():
    mixed = tensors(torch.float32) + tensors(torch.bfloat16) + [torch.arange(4)]
    check(lambda a: torch._foreach_mul(a, 2), mixed)
    check(lambda a, b: torch._foreach_add(a, b), tensors(torch.bfloat16), tensors(torch.float32, 1))


def test_scalars_that_promote():
    check(lambda a: torch._foreach_add(a, 1.5), [torch.arange(5), torch.arange(3)])
    check(lambda a: torch._foreach_mul(a, 2j), tensors())
    check(lambda a: torch._foreach_add(a, True), tensors())


def test_scalar_tensor_on_either_device():
    a, here = tensors(), twin(tensors())
    want = torch._foreach_mul(a, torch.tensor(0.5))
    same_value(want, torch._foreach_mul(here, torch.tensor(0.5)), DEVICE)
    same_value(want, torch._foreach_mul(here, torch.tensor(0.5, device=DEVICE)), DEVICE)


def test_norm_and_max_of_large_tensors_and_nan():
    large = tensors(shapes=[(3_000_001,), (5,), (1,)])
    for ord in (1, 2, float("inf"), 3):
        # In double: the CPU's own float sum of so many numbers is off by 2e-4.
        want = [n.float() for n in torch._foreach_norm([t.double() for t in large], ord)]
        got = list(torch._foreach_norm(twin(large), ord))
        same_value(want, got, DEVICE, tolerance=(1e-6, 1e-6 if ord != 3 else 1e-3))
    check(torch._foreach_max, large)
    large[0][1234567] = float("nan")
    check(torch._foreach_max, large)
    check(lambda a: torch._foreach_norm(a, float("inf")), large)
    check(lambda a: torch._foreach_norm(a, 2, dtype=torch.float64), tensors())


def test_result_does_not_depend_on_the_number_of_threads():
    a = twin(tensors(shapes=[(1_000_003,), (7,)]))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = [t.cpu() for t in torch._foreach_norm(a)]
        torch.set_num_threads(2)
        two = [t.cpu() for t in torch._foreach_norm(a)]
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(x, y) for x, y in zip(one, two))


def test_output_larger_than_the_caches():
    check(lambda a, b: torch._foreach_add(a, b), tensors(shapes=[(5_000_001,), (3, 3)]),
          tensors(seed=1, shapes=[(5_000_001,), (3, 3)]))


def test_errors_are_the_cpu_s():
    for call in (lambda a, b: torch._foreach_add(a, b[:-1]),
                 lambda a, b: torch._foreach_add([], 1),
                 lambda a, b: torch._foreach_mul(a, [1.0]),
                 lambda a, b: torch._foreach_max([torch.empty(0, device=b[0].device)])):
        cpu = observe(lambda: call(tensors(), tensors()))
        dev = observe(lambda: call(twin(tensors()), twin(tensors())))
        assert cpu.error is not None
        same_error(cpu, dev)


def test_gradients():
    def run(a, b):
        a = [t.detach().requires_grad_() for t in a]
        out = torch._foreach_mul(torch._foreach_sqrt(torch._foreach_abs(a)), b)
        torch.autograd.backward([o.sum() for o in out])
        return [t.grad for t in a]

    check(run, tensors(), tensors(seed=1))


def test_version_counters_move():
    a = twin(tensors())
    versions = [t._version for t in a]
    torch._foreach_add_(a, 1.0)
    torch._foreach_zero_(a)
    assert [t._version for t in a] == [v + 2 for v in versions]


@pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no streams")
def test_in_stream_order():
    stream = torch.xpu_lite.Stream()
    want = tensors()
    with torch.xpu_lite.stream(stream):
        a = twin(want)
        for _ in range(20):
            a = torch._foreach_mul(a, 1.01)
            torch._foreach_add_(a, torch._foreach_norm(a)[1], alpha=0.5)
        del stream
        got = [t.cpu() for t in a]
    for _ in range(20):
        want = torch._foreach_mul(want, 1.01)
        torch._foreach_add_(want, torch._foreach_norm(want)[1], alpha=0.5)
    same_value(list(want), got, "cpu", tolerance=(1e-4, 1e-4))
