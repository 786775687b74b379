"""Checks of one entry of torch's operator database: the device against the CPU.

Each check takes (op, dtype, limit) and returns (status, samples): "pass", "cpu-fails" when the
CPU itself passes no sample, or "n/a" when there is nothing of the kind to check. A difference is
raised as `outcome.Mismatch`.
"""

import contextlib
import os
from itertools import islice

import numpy as np
import torch
from torch.testing._internal import common_methods_invocations as database
from torch.utils._pytree import tree_flatten, tree_map

from outcome import Mismatch, observe, same_error, same_value
from ties import open_choice, without_choice
from twin import DEVICE, place_call, twin

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int64": torch.int64,
          "bool": torch.bool}
QUEUED = False  # True while the current stream has a worker of its own
OPS = {op.full_name: op for op in database.op_db}


def _seeded(op, *args, **kwargs):
    """Stands in for the database's wrapper around random operators, which puts the generator
    back afterwards and so hides from observe() that numbers were drawn."""
    before = torch.get_rng_state()
    torch.manual_seed(42)
    seeded = torch.get_rng_state()
    try:
        return op(*args, **kwargs)
    finally:
        if torch.equal(seeded, torch.get_rng_state()):
            torch.set_rng_state(before)


database.wrapper_set_seed = _seeded

# Results that are uninitialised memory: only metadata can be compared.
UNINITIALISED = {
    "empty", "empty_like", "empty_permuted", "empty_strided", "new_empty",
    "new_empty_strided", "resize_", "resize_as_",
}
# Sums over many products, which another order of additions moves further: (atol, rtol).
LOOSE = {torch.float32: (2e-4, 2e-4), torch.bfloat16: (3e-2, 3e-2), torch.float16: (5e-3, 1e-2)}
LOOSE_PARTS = ("conv", "matmul", "linalg", "scaled_dot_product", "multi_head", "einsum", "baddbmm",
               "linear", "corrcoef", "cov", "cdist", "norm", "svd", "pinv", "cholesky", "lu",
               "solve", "addmm", "tensordot")


def tolerance(op, dtype):
    if any(part in op.name for part in LOOSE_PARTS):
        return LOOSE.get(dtype)
    return None


def samples_of(op, dtype, limit, requires_grad=False):
    """The first `limit` samples (None: all), always the same, made on the CPU."""
    torch.manual_seed(0)
    np.random.seed(0)
    return list(islice(op.sample_inputs("cpu", dtype, requires_grad=requires_grad), limit))


def run(op, sample, device, extra=None):
    """Calls op on twins of the sample; gives the Outcome and the twins."""
    args, kwargs = place_sample(op, sample, device)
    kwargs.update(extra or {})
    torch.manual_seed(1)
    return observe(lambda: waited(op(*args, **kwargs), device)), args, kwargs


def waited(result, device):
    """`result`, after the errors of queued work have been raised: only a side stream queues."""
    if QUEUED and device != "cpu":
        getattr(torch, DEVICE).current_stream().synchronize()
    return result


def place_sample(op, sample, device):
    args = (sample.input, *sample.args)
    if op.name == "tensor_split":  # takes its indices from the CPU on every device
        head, _ = place_call(args[:1], {}, device)
        return (*head, *args[1:]), dict(sample.kwargs)
    return place_call(args, sample.kwargs, device)


def values_compare(op, outcome):
    return op.name not in UNINITIALISED and not outcome.drew_random


def tensors_in(*trees):
    return [t for t in tree_flatten(trees)[0] if isinstance(t, torch.Tensor)]


def names_device(args, kwargs):
    """False for a factory that is called without a device: its result is on the CPU."""
    return bool(tensors_in(args, kwargs)) or kwargs.get("device") is not None


def in_sample(index, check):
    """Runs check(); a Mismatch says in which sample."""
    try:
        check()
    except Mismatch as error:
        raise Mismatch(f"sample {index}: {error}") from error.__cause__


def same_result(op, sample, cpu, dev, device, *, values, **options):
    """same_value(). Where torch leaves a choice among equal elements, either will do; and a
    16-bit float may differ where the CPU is further than the device from the float32 result."""
    chosen = values and open_choice(op, sample)
    same_value(cpu, dev, device, values=False, **options)
    try:
        if chosen:
            cpu, dev = (without_choice(op, sample, value) for value in (cpu, dev))
        if values:
            same_value(cpu, dev, "cpu" if chosen else device, strides=False, **options)
    except Mismatch:
        if not as_exact(op, sample, cpu, dev):
            raise


HALF = (torch.bfloat16, torch.float16)


def widened(sample):
    """The sample with its 16-bit floats as float32."""
    return sample.transform(lambda value: value.float() if isinstance(value, torch.Tensor)
                            and value.dtype in HALF else value)


def as_exact(op, sample, cpu, dev):
    """Whether the device is nowhere further from the float32 result than the CPU at its worst,
    in a result that is all 16-bit floats: the CPU rounds each step of some sums."""
    cpu, dev = tensors_in(cpu), tensors_in(dev)
    if not cpu or any(t.dtype not in HALF for t in cpu):
        return False
    expected, _, _ = run(op, widened(sample), "cpu")
    wide = [] if expected.error else tensors_in(expected.value)
    return len(wide) == len(cpu) and all(
        torch.isfinite(w).all() and (d.detach().cpu().double() - w.detach().double()).abs().max()
        <= (c.detach().double() - w.detach().double()).abs().max()
        for c, d, w in zip(cpu, dev, wide))


def check_forward(op, dtype, limit, prepare=lambda sample: sample):
    passed = 0
    for i, sample in enumerate(samples_of(op, dtype, limit)):
        sample = prepare(sample)
        cpu, cpu_args, cpu_kwargs = run(op, sample, "cpu")
        if cpu.error is not None:
            continue
        dev, dev_args, dev_kwargs = run(op, sample, DEVICE)
        values = values_compare(op, cpu)

        def check():
            same_error(cpu, dev)
            where = DEVICE if names_device(dev_args, dev_kwargs) else "cpu"
            same_result(op, sample, cpu.value, dev.value, where, values=values,
                        tolerance=tolerance(op, dtype))
            if values and op.name != "tensor_split":
                same_value(tensors_in(cpu_args, cpu_kwargs), tensors_in(dev_args, dev_kwargs),
                           DEVICE, tolerance=tolerance(op, dtype), what="argument after the call")

        in_sample(i, check)
        passed += 1
    return ("pass" if passed else "cpu-fails"), passed


def check_strided(op, dtype, limit):
    """Forward with every tensor non-contiguous."""
    if op.name.startswith("sparse."):
        return "n/a", 0
    return check_forward(op, dtype, limit, prepare=lambda sample: sample.noncontiguous())


def check_queued(op, dtype, limit):
    """Forward on a stream with a worker of its own: through the queue."""
    with side_stream():
        return check_forward(op, dtype, limit)


@contextlib.contextmanager
def side_stream():
    global QUEUED
    module = getattr(torch, DEVICE)
    if DEVICE == "cpu" or QUEUED:
        yield
        return
    QUEUED = True
    try:
        with module.stream(module.Stream()):
            yield
    finally:
        QUEUED = False


def check_backward(op, dtype, limit):
    if dtype not in op.supported_backward_dtypes("cpu"):
        return "cpu-fails", 0
    passed = 0
    for i, sample in enumerate(samples_of(op, dtype, limit, requires_grad=True)):
        cpu = gradients(op, sample, "cpu")
        if cpu.error is not None or cpu.value is None:
            continue
        dev = gradients(op, sample, DEVICE)

        def check():
            same_error(cpu, dev)
            same_value(cpu.value, dev.value, DEVICE, values=values_compare(op, cpu),
                       tolerance=tolerance(op, dtype), what="gradient")

        in_sample(i, check)
        passed += 1
    return ("pass" if passed else "cpu-fails"), passed


def gradients(op, sample, device):
    """Outcome of forward and backward with fixed output gradients."""
    args, kwargs = place_sample(op, sample, device)
    leaves = [t for t in tensors_in(args, kwargs) if t.requires_grad]

    def call():
        result = sample.output_process_fn_grad(op(*args, **kwargs))
        outputs = [t for t in tensors_in(result) if t.grad_fn is not None]
        if not outputs or not leaves:
            return None
        seeds = [twin(ramp(t), device) for t in outputs]
        return waited(torch.autograd.grad(outputs, leaves, seeds, allow_unused=True), device)

    torch.manual_seed(1)
    return observe(call)


def ramp(like):
    """A gradient for `like` with different, exactly representable values."""
    values = (torch.arange(like.numel()) % 7 - 3).reshape(like.shape) / 4
    return values.to(like.dtype)


def check_out(op, dtype, limit):
    passed = 0
    for i, sample in enumerate(samples_of(op, dtype, limit)):
        expected, _, _ = run(op, sample, "cpu")
        if expected.error is not None or not all(
                isinstance(t, torch.Tensor) for t in tree_flatten(expected.value)[0]):
            continue
        for name, make in OUT_MAKERS.items():
            cpu, cpu_outs = with_out(op, sample, expected.value, make, "cpu")
            dev, dev_outs = with_out(op, sample, expected.value, make, DEVICE)

            def check():
                same_error(cpu, dev)
                if cpu.error is not None:
                    return
                same_result(op, sample, cpu.value, dev.value, DEVICE,
                            values=values_compare(op, cpu), tolerance=tolerance(op, dtype),
                            what=f"out= ({name})")
                if cpu_outs != dev_outs:
                    raise Mismatch(f"out= ({name}): kept its memory {cpu_outs} on CPU, "
                                   f"{dev_outs} here")
                if resizes(cpu) != resizes(dev):
                    raise Mismatch(f"out= ({name}): {resizes(cpu)} resize warnings on CPU, "
                                   f"{resizes(dev)} here")

            in_sample(i, check)
        passed += 1
    return ("pass" if passed else "cpu-fails"), passed


def resizes(outcome):
    return sum("was resized" in message for message in outcome.warnings)


def out_like(t):
    return torch.full_like(t.resolve_conj().resolve_neg().detach(), 1)


def out_strided(t):
    return torch.full((*t.shape, 2), 1, dtype=t.dtype)[..., 0]


def out_wrong_shape(t):
    return torch.full((t.numel() + 1,), 1, dtype=t.dtype)


def out_wrong_dtype(t):
    return torch.full(t.shape, 1, dtype=torch.int32)


OUT_MAKERS = {"fitting": out_like, "strided": out_strided, "wrong shape": out_wrong_shape,
              "wrong dtype": out_wrong_dtype}


def with_out(op, sample, expected, make, device):
    """Calls op(..., out=); gives the Outcome and whether each out kept its memory."""
    outs = twin(tree_map(make, expected), device)
    if isinstance(outs, list):
        outs = tuple(outs)
    flat = [t for t in tree_flatten(outs)[0] if t.layout == torch.strided]
    before = [t.data_ptr() for t in flat]
    outcome, _, _ = run(op, sample, device, {"out": outs})
    return outcome, [a == t.data_ptr() for a, t in zip(before, flat)]


def check_inplace(op, dtype, limit):
    inplace = op.get_inplace()
    passed = 0
    for i, sample in enumerate(samples_of(op, dtype, limit)):
        cpu, cpu_args, _ = run_inplace(op, inplace, sample, "cpu")
        dev, dev_args, _ = run_inplace(op, inplace, sample, DEVICE)

        def check():
            same_error(cpu, dev)
            if cpu.error is not None:
                return
            if (cpu.value is cpu_args[0]) != (dev.value is dev_args[0]):
                raise Mismatch("in place: the result is not the argument itself")
            same_value(cpu_args[0], dev_args[0], DEVICE, values=values_compare(op, cpu),
                       tolerance=tolerance(op, dtype), what="in place")

        in_sample(i, check)
        passed += cpu.error is None
    return ("pass" if passed else "cpu-fails"), passed


def run_inplace(op, inplace, sample, device):
    args, kwargs = place_sample(op, sample, device)
    torch.manual_seed(1)
    return observe(lambda: waited(inplace(*args, **kwargs), device)), args, kwargs


def check_errors(op, dtype, limit):
    """Illegal inputs, and dtypes that the CPU refuses: the same exception type."""
    passed = 0
    if op.error_inputs_func is not None:
        torch.manual_seed(0)
        for i, case in enumerate(islice(op.error_inputs("cpu"), limit)):
            in_sample(f"error input {i}", lambda: refuse(op, case.sample_input))
            passed += 1
    for name, refused in DTYPES.items():
        try:
            found = samples_of(op, refused, 1)
        except Exception:  # noqa: BLE001 - the database makes no sample of this dtype
            continue
        for sample in found:
            in_sample(name, lambda: refuse(op, sample))
            passed += 1
    return ("pass" if passed else "n/a"), passed


def refuse(op, sample):
    cpu, _, _ = run(op, sample, "cpu")
    if cpu.error is None:
        return
    dev, _, _ = run(op, sample, DEVICE)
    if dev.error is None and lacks_half(cpu.error):
        computes_half(op, sample, dev)
    else:
        same_error(cpu, dev)


def lacks_half(error):
    """Whether the CPU refuses only since it has no kernel for a 16-bit float."""
    return (isinstance(error, NotImplementedError)
            and any(f"not implemented for '{name}'" in str(error) for name in ("BFloat16", "Half")))


def computes_half(op, sample, dev):
    """A device may compute what the CPU has in float32 alone, if it computes that."""
    expected, _, _ = run(op, widened(sample), "cpu")
    if expected.error is not None:
        raise Mismatch("the CPU refuses this in float32 too") from expected.error
    narrow = tree_map(lambda c, d: c.to(d.dtype), expected.value, dev.value)
    same_value(narrow, dev.value, DEVICE, strides=False, what="16-bit float that the CPU lacks")


CHECKS = {"forward": check_forward, "strided": check_strided, "backward": check_backward,
          "queued": check_queued, "out": check_out, "inplace": check_inplace, "errors": check_errors}


def applies(full_name, kind):
    """False when the operator has nothing of this kind to check."""
    op = OPS[full_name]
    return {"backward": op.supports_autograd, "out": op.supports_out,
            "inplace": op.get_inplace() is not None}.get(kind, True)


def tasks_of(full_name, kinds, dtypes=tuple(DTYPES)):
    """(op, dtype, kind) names to check for one op."""
    for kind in kinds:
        if not applies(full_name, kind):
            continue
        if kind == "errors":
            yield full_name, "any", kind
        elif kind == "backward":
            for dtype in ["float32"] if "float32" in dtypes else dtypes:
                yield full_name, dtype, kind
        else:
            for dtype in dtypes:
                yield full_name, dtype, kind


def check(full_name, dtype, kind, limit):
    """Runs one task; gives (status, message, samples)."""
    op = OPS[full_name]
    real = None if dtype == "any" else getattr(torch, dtype)
    if real is not None and real not in op.supported_dtypes("cpu"):
        return "cpu-fails", "dtype not supported on the CPU", 0
    all_queued = os.environ.get("XL_TEST_STREAM") == "1"  # sweep.py --side-stream
    try:
        with side_stream() if all_queued else contextlib.nullcontext():
            status, count = CHECKS[kind](op, real, limit)
        return status, "", count
    except Mismatch as error:
        return "fail", str(error), 0
