"""What a call did, and whether the device did what the CPU did."""

import warnings
from dataclasses import dataclass, field

import torch
from torch.utils._pytree import tree_flatten

# Absolute and relative tolerance by dtype, for kernels that add in another order.
TOLERANCES = {
    torch.float64: (1e-7, 1e-7),
    torch.float32: (2e-5, 2e-5),
    torch.float16: (1e-3, 4e-3),
    torch.bfloat16: (1e-2, 1.6e-2),
    torch.complex32: (1e-3, 4e-3),
    torch.complex64: (2e-5, 2e-5),
    torch.complex128: (1e-7, 1e-7),
}


@dataclass
class Outcome:
    """The result of one call: a value, or the exception that it raised."""

    value: object = None
    error: BaseException | None = None
    warnings: list = field(default_factory=list)
    drew_random: bool = False  # the call advanced the CPU's default generator


def observe(fn):
    """Runs fn() and records what it returned, raised, warned of and drew."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = torch.get_rng_state()
        outcome = Outcome()
        try:
            outcome.value = fn()
        except Exception as error:  # noqa: BLE001 - the error is what is compared
            outcome.error = error
        outcome.drew_random = not torch.equal(before, torch.get_rng_state())
    outcome.warnings = [str(w.message) for w in caught]
    return outcome


class Mismatch(AssertionError):
    """The device did something else than the CPU."""


def _check(condition, message):
    if not condition:
        raise Mismatch(message)


def same_error(cpu, dev):
    """Both raised the same exception type, or neither raised."""
    if cpu.error is None and dev.error is None:
        return
    if dev.error is None:
        raise Mismatch(f"CPU raises {_brief(cpu.error)}, the device does not raise")
    if cpu.error is None:
        raise Mismatch(f"the device raises {_brief(dev.error)}") from dev.error
    _check(type(cpu.error) is type(dev.error),
           f"CPU raises {_brief(cpu.error)}, the device {_brief(dev.error)}")


def _brief(error):
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


def same_value(cpu, dev, device, *, values=True, strides=True, tolerance=None, what="result"):
    """Equal structure, dtype, shape, strides, bits, device and (if `values`) values.

    `tolerance` is (atol, rtol) for floating results; None: by dtype."""
    flat_cpu, spec_cpu = tree_flatten(cpu)
    flat_dev, spec_dev = tree_flatten(dev)
    _check(spec_cpu == spec_dev, f"{what}: structure {spec_cpu} on CPU, {spec_dev} here")
    for i, (c, d) in enumerate(zip(flat_cpu, flat_dev)):
        name = what if len(flat_cpu) == 1 else f"{what}[{i}]"
        if isinstance(c, torch.Tensor):
            same_tensor(c, d, device, values=values, strides=strides, tolerance=tolerance,
                        what=name)
        elif isinstance(c, (torch.device, torch.nn.Module, torch.Generator)):
            pass
        else:
            _check(type(c) is type(d), f"{name}: {type(c)} on CPU, {type(d)} here")
            if values:
                _check(c == d or (c != c and d != d) or _close(c, d),
                       f"{name}: {c!r} on CPU, {d!r} here")


def _close(c, d):
    return isinstance(c, (float, complex)) and abs(c - d) <= 1e-5 * max(1.0, abs(c))


def same_tensor(c, d, device, *, values, strides, tolerance, what):
    _check(isinstance(d, torch.Tensor), f"{what}: a tensor on CPU, {type(d)} here")
    _check(d.device.type == torch.device(device).type,
           f"{what}: lands on {d.device}, not on {device}")
    for name in ("dtype", "shape", "layout", "requires_grad", "is_quantized"):
        _check(getattr(c, name) == getattr(d, name),
               f"{what}: {name} {getattr(c, name)} on CPU, {getattr(d, name)} here")
    if c.layout == torch.strided and not c.is_nested:
        if strides:
            _check(c.stride() == d.stride(),
                   f"{what}: strides {c.stride()} on CPU, {d.stride()} here (shape "
                   f"{tuple(c.shape)})")
        for bit in ("is_conj", "is_neg"):
            _check(getattr(c, bit)() == getattr(d, bit)(), f"{what}: {bit} differs")
    if values:
        _same_numbers(c.detach(), d.detach().cpu(), tolerance, what)


def _same_numbers(c, d, tolerance, what):
    if c.dtype.itemsize == 1 and c.dtype.is_floating_point:
        c, d = c.float(), d.float()  # float8
    atol, rtol = tolerance or TOLERANCES.get(c.dtype, (0, 0))
    if c.is_quantized:
        c, d = c.dequantize(), d.dequantize()
        atol, rtol = 1e-6, 1e-6
    try:
        torch.testing.assert_close(d, c, atol=atol, rtol=rtol, equal_nan=True,
                                   check_device=False, check_stride=False)
    except AssertionError as error:
        raise Mismatch(f"{what}: {' '.join(str(error).split())[:400]}") from None
