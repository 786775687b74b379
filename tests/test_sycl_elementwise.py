"""Elementwise operators, casts, copies and fills of the SYCL engine against the CPU.

One test runs an operator over the layouts that take different ways through the engine: flat,
rows with a bias, rows with a fixed element, short rows, inner strides, transpositions, many
dimensions, mixed types, scalars of the CPU, no elements.
"""

import math

import pytest
import torch
from engine import sycl_only

pytestmark = sycl_only()

DEVICE = "xpu_lite"
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
COMPLEX = [torch.complex64, torch.complex128]
COMMON = FLOATS + INTEGERS + [torch.bool]
UNSIGNED = [torch.uint16, torch.uint32, torch.uint64]
FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2]
TOLERANCE = {
    torch.float32: 3e-6, torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 1.6e-2,
    torch.complex64: 1e-5, torch.complex128: 1e-11, torch.complex32: 2e-3,
}


@pytest.fixture(autouse=True)
def no_fallback():
    before = torch.xpu_lite.fallbacks()
    yield
    assert torch.xpu_lite.fallbacks() == before


def make(shape, dtype, seed=0, low=-4.0, high=4.0):
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) > 0.4
    if dtype.is_complex:
        parts = torch.rand((*shape, 2), generator=generator, dtype=torch.float64)
        return torch.view_as_complex(parts * (high - low) + low).to(dtype)
    if dtype.is_floating_point:
        values = torch.rand(shape, generator=generator, dtype=torch.float64)
        return (values * (high - low) + low).to(dtype)
    smallest = max(int(low), 0 if dtype in (torch.uint8, *UNSIGNED) else -9)
    return torch.randint(smallest, 10, shape, generator=generator).to(dtype)


def same(actual, expected, exact=False):
    if isinstance(expected, (tuple, list)):
        for a, e in zip(actual, expected, strict=True):
            same(a, e, exact)
        return
    assert actual.device.type == DEVICE
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.stride() == expected.stride()
    limit = 0 if exact else TOLERANCE.get(expected.dtype, 0)
    values = actual.cpu()
    if expected.dtype in FLOAT8 or expected.dtype == torch.complex32:
        wide = torch.float32 if expected.dtype in FLOAT8 else torch.complex64
        values, expected = values.to(wide), expected.to(wide)
    torch.testing.assert_close(values, expected, atol=limit, rtol=limit, equal_nan=True)


def to_device(value):
    """The tensor's twin: same strides, same offset, one storage for equal storages."""
    if not isinstance(value, torch.Tensor) or value.dim() == 0:
        return value.to(DEVICE) if isinstance(value, torch.Tensor) else value
    base = torch.empty(0, dtype=value.dtype).set_(value.untyped_storage())
    twin = base.to(DEVICE).as_strided(value.size(), value.stride(), value.storage_offset())
    return twin


def agree(operator, *tensors, exact=False, **kwargs):
    same(operator(*map(to_device, tensors), **kwargs), operator(*tensors, **kwargs), exact)


def layouts(dtype, low=-4.0, high=4.0):
    """Pairs of tensors that broadcast to each other."""
    def new(*shape, seed=0):
        return make(shape, dtype, seed, low, high)

    yield "flat", new(7, 333), new(7, 333, seed=1)
    yield "bias", new(300, 40), new(40, seed=1)
    yield "column", new(5, 77), new(5, 1, seed=1)
    yield "short rows", new(500, 3), new(3, seed=1)
    yield "short columns", new(500, 3), new(500, 1, seed=1)
    yield "transposed", new(33, 65), new(65, 33, seed=1).t()
    yield "both transposed", new(33, 65).t(), new(33, 65, seed=1).t()
    yield "steps", new(40, 50)[:, ::2], new(40, 75, seed=1)[:, ::3]
    yield "channels last", new(2, 5, 9, 11).to(memory_format=torch.channels_last), new(
        2, 5, 9, 11, seed=1)
    yield "many dimensions", new(2, 1, 3, 1, 2, 1, 3, 2), new(1, 2, 1, 3, 1, 2, 3, 1, seed=1)
    yield "zero dimensions", new(3, 4), new(seed=1)
    yield "one element", new(1), new(1, seed=1)
    yield "no elements", new(3, 0), new(1, 0, seed=1)


ARITHMETIC = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "eq": torch.eq, "lt": torch.lt,
    "ge": torch.ge, "maximum": torch.maximum, "logical_xor": torch.logical_xor,
}


@pytest.mark.parametrize("dtype", COMMON + COMPLEX, ids=str)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_layouts_and_types(name, dtype):
    if (dtype.is_complex and name in ("lt", "ge", "maximum")) or (
            dtype == torch.bool and name == "sub"):
        pytest.skip("not defined for the type")
    for layout, a, b in layouts(dtype):
        try:
            agree(ARITHMETIC[name], a, b)
            agree(ARITHMETIC[name], b, a)
        except AssertionError as error:
            raise AssertionError(f"{layout}: {error}") from None


UNARY = {
    "exp": {}, "log": {"low": 0.1}, "sqrt": {"low": 0.0}, "rsqrt": {"low": 0.1}, "sin": {},
    "cos": {}, "tan": {"low": -1.2, "high": 1.2}, "sinh": {}, "tanh": {}, "asin": {"low": -1, "high": 1},
    "acos": {"low": -1, "high": 1}, "atan": {}, "asinh": {}, "acosh": {"low": 1.1},
    "atanh": {"low": -0.9, "high": 0.9}, "log1p": {"low": -0.9}, "expm1": {}, "log2": {"low": 0.1},
    "log10": {"low": 0.1}, "exp2": {}, "sigmoid": {}, "reciprocal": {"low": 0.2}, "neg": {},
    "abs": {}, "sgn": {}, "sinc": {}, "square": {}, "angle": {}, "erf": {}, "erfc": {}, "floor": {},
    "ceil": {}, "round": {}, "trunc": {}, "frac": {}, "sign": {}, "erfinv": {"low": -0.9, "high": 0.9},
    "lgamma": {"low": 0.2}, "digamma": {"low": 0.2}, "i0": {}, "isfinite": {}, "signbit": {},
    "logit": {"low": 0.1, "high": 0.9}, "deg2rad": {},
}
REAL = {"erf", "erfc", "floor", "ceil", "round", "trunc", "frac", "sign", "erfinv", "lgamma", "digamma",
        "i0", "signbit", "logit", "deg2rad"}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name):
    types = FLOATS + [torch.int64, torch.uint8] + ([] if name in REAL else COMPLEX)
    for dtype in types:
        a = make((3, 257), dtype, low=UNARY[name].get("low", -4.0), high=UNARY[name].get("high", 4.0))
        if not dtype.is_floating_point and not dtype.is_complex:
            a = a.abs().clamp(max=1) if "high" in UNARY[name] else a.abs() + 1
            if name in ("frac", "atanh", "erfinv", "logit"):
                continue
        try:
            agree(getattr(torch, name), a)
            agree(getattr(torch, name), a.t())
        except AssertionError as error:
            raise AssertionError(f"{dtype}: {error}") from None


SPECIAL = [math.inf, -math.inf, math.nan, 0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 1e-30, 3e38, -3e38]


@pytest.mark.parametrize("name", [n for n in UNARY if n not in ("digamma", "erfinv", "tan", "lgamma")])
def test_special_values(name):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        agree(getattr(torch, name), torch.tensor(SPECIAL, dtype=dtype))


@pytest.mark.parametrize("name", [
    "maximum", "minimum", "fmax", "fmin", "eq", "lt", "atan2", "copysign", "hypot", "fmod",
    "remainder", "pow", "xlogy", "logaddexp", "heaviside", "nextafter", "div", "floor_divide"])
def test_special_values_of_pairs(name):
    values = [v for v in SPECIAL if abs(v) < 1e30 or not math.isfinite(v)]
    for dtype in (torch.float32, torch.float64):
        a = torch.tensor(values, dtype=dtype)
        agree(getattr(torch, name), a[:, None].expand(-1, len(values)).contiguous(),
              a.expand(len(values), -1).contiguous())


@pytest.mark.parametrize("mode", [None, "floor", "trunc"])
@pytest.mark.parametrize("dtype", FLOATS + INTEGERS, ids=str)
def test_division(mode, dtype):
    a, b = make((50, 40), dtype), make((50, 40), dtype, 1)
    b = torch.where(b == 0, torch.ones_like(b), b)
    agree(lambda x, y: torch.div(x, y, rounding_mode=mode), a, b)
    agree(torch.remainder, a, b)
    agree(torch.fmod, a, b)


def test_integers_at_their_limits():
    for dtype in INTEGERS:
        info = torch.iinfo(dtype)
        a = torch.tensor([info.min, info.max, info.min, 5, 0], dtype=dtype)
        b = torch.tensor([2, 2, 1, 3, 7], dtype=dtype)
        for operator in (torch.add, torch.mul, torch.remainder, torch.gcd, torch.bitwise_xor,
                         torch.bitwise_left_shift, torch.bitwise_right_shift):
            agree(operator, a, b)
        agree(torch.bitwise_not, a)
        agree(torch.neg, a)


MIXED = [
    (torch.float32, torch.bfloat16), (torch.float16, torch.int64), (torch.float16, torch.bfloat16),
    (torch.int32, torch.float64), (torch.bool, torch.int8), (torch.uint8, torch.int16),
    (torch.complex64, torch.float64), (torch.float32, torch.bool), (torch.complex64, torch.int64),
]


@pytest.mark.parametrize("left,right", MIXED, ids=str)
def test_mixed_types(left, right):
    for operator in (torch.add, torch.mul, torch.eq, torch.true_divide):
        a, b = make((30, 40), left), make((30, 40), right, 1)
        if operator is torch.true_divide:
            b = torch.where(b == 0, torch.ones_like(b), b)
        agree(operator, a, b)
        agree(operator, a[:, ::2], b[0, ::2])
        agree(operator, a, b[3, 3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.complex64], ids=str)
def test_scalars_of_the_cpu(dtype):
    a = make((3, 50), dtype)
    for value in (2, 2.7, True) + ((1 + 2j,) if dtype.is_complex else ()):
        agree(lambda x, v=value: x + v, a)
        agree(lambda x, v=value: v - x if v is not True else v + x, a)
        agree(lambda x, v=value: x * v, a)
        agree(lambda x, v=value: x == v, a)
        agree(lambda x, v=value: x / v, a)
        agree(lambda x, v=value: x * torch.tensor(v), a)
    half = make((100,), torch.float16)
    agree(lambda x: x > 0.1, half)
    agree(lambda x: x * 0.1, half)


def test_alpha_and_weights():
    for dtype in (*FLOATS, torch.complex64):
        a, b, c = (make((20, 30), dtype, seed, low=0.5) for seed in range(3))
        agree(lambda x, y: torch.add(x, y, alpha=0.3), a, b)
        agree(lambda x, y: torch.sub(x, y, alpha=0.3), a, b)
        agree(lambda x, y, z: torch.addcmul(x, y, z, value=0.7), a, b, c)
        agree(lambda x, y, z: torch.addcdiv(x, y, z, value=0.7), a, b, c)
        agree(lambda x, y: torch.lerp(x, y, 0.3), a, b)
        agree(torch.lerp, a, b, c)
        for power in (2, 3, 0.5, -0.5, -1, -2, 1.7):
            agree(lambda x, p=power: x ** p, a)
        agree(torch.pow, a, b)
    agree(lambda x: x ** 3, make((50,), torch.int32))
    agree(torch.pow, make((50,), torch.int64), make((50,), torch.int64, 1).abs())
    agree(lambda x: 2 ** x, make((50,), torch.float32))


def test_clamps():
    for dtype in (*FLOATS, torch.int64, torch.uint8):
        a, low, high = make((20, 30), dtype), make((30,), dtype, 1), make((20, 1), dtype, 2)
        agree(lambda x: x.clamp(1, 3), a)
        agree(lambda x: x.clamp(min=2), a)
        agree(lambda x: x.clamp(max=2), a)
        agree(torch.clamp, a, low, high)
        agree(lambda x, l: x.clamp(min=l), a, low)
    agree(lambda x: x.clamp(-1.5, 2.5), make((20,), torch.int64))
    agree(lambda x: x.clamp(-1, 2), torch.tensor(SPECIAL))


ACTIVATIONS = {
    "relu": {}, "gelu": {}, "silu": {}, "mish": {}, "hardswish": {}, "hardsigmoid": {}, "hardtanh": {},
    "elu": {"alpha": 0.7}, "selu": {}, "celu": {"alpha": 1.3}, "leaky_relu": {"negative_slope": 0.2},
    "softplus": {"beta": 2.0, "threshold": 3.0}, "softshrink": {"lambd": 0.6}, "hardshrink": {"lambd": 0.6},
    "logsigmoid": {}, "tanhshrink": {}, "threshold": {"threshold": 0.3, "value": 7.0}, "relu6": {},
    "glu": {"dim": 0}, "softsign": {}, "sigmoid": {}, "tanh": {},
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients(name):
    function = getattr(torch.nn.functional, name)
    for dtype in FLOATS:
        a = make((6, 130), dtype)
        on_cpu, on_device = a.clone().requires_grad_(), a.to(DEVICE).requires_grad_()
        expected, actual = function(on_cpu, **ACTIVATIONS[name]), function(on_device, **ACTIVATIONS[name])
        same(actual.detach(), expected.detach())
        gradient = make(tuple(expected.shape), dtype, 5)
        expected.backward(gradient)
        actual.backward(gradient.to(DEVICE))
        same(on_device.grad, on_cpu.grad)


def test_gelu_tanh_prelu_and_losses():
    functional = torch.nn.functional
    target, weight = make((6, 130), torch.float32, 3), make((6,), torch.float32, 4)
    cases = [
        lambda x, t, w: functional.gelu(x, approximate="tanh"),
        lambda x, t, w: functional.prelu(x, w),
        lambda x, t, w: functional.mse_loss(x, t),
        lambda x, t, w: functional.smooth_l1_loss(x, t, beta=0.8),
        lambda x, t, w: functional.huber_loss(x, t, delta=0.9),
        lambda x, t, w: functional.l1_loss(x, t),
    ]
    for case in cases:
        results = []
        for device in ("cpu", DEVICE):
            x = make((130, 6), torch.float32).to(device).requires_grad_()
            w = weight.clone().to(device).requires_grad_()
            value = case(x, target.t().to(device), w)
            value.sum().backward()
            results.append((value.detach(), x.grad) + ((w.grad,) if w.grad is not None else ()))
        same(results[1], results[0])


def test_in_place_and_out():
    for dtype in (torch.float32, torch.bfloat16, torch.int32):
        for view in (lambda t: t, lambda t: t.t(), lambda t: t[:, ::2], lambda t: t[3], lambda t: t[:, 1]):
            base, other = make((20, 30), dtype), make((20, 30), dtype, 1)
            twin = base.to(DEVICE)
            view(base).add_(view(other)).mul_(2)
            view(twin).add_(view(other.to(DEVICE))).mul_(2)
            same(twin, base)
    a, b = make((20, 30), torch.float32), make((20, 30), torch.float32, 1)
    for out in (torch.empty(20, 30), torch.empty(30, 20).t(), torch.empty(20, 60)[:, ::2],
                torch.empty(20, 30, dtype=torch.float64), torch.empty(0)):
        twin = torch.empty_strided(out.size(), out.stride(), dtype=out.dtype, device=DEVICE)
        torch.add(a, b, out=out)
        torch.add(a.to(DEVICE), b.to(DEVICE), out=twin)
        same(twin, out)
    flags = torch.empty(20, 30, dtype=torch.float32)
    twin = flags.to(DEVICE)
    torch.gt(a, b, out=flags)
    torch.gt(a.to(DEVICE), b.to(DEVICE), out=twin)
    same(twin, flags)


@pytest.mark.parametrize("source", COMMON + COMPLEX + UNSIGNED + FLOAT8 + [torch.complex32], ids=str)
def test_casts(source):
    a = make((31, 33), source if source not in FLOAT8 + UNSIGNED + [torch.complex32] else torch.float32,
             low=0.0 if source in UNSIGNED else -4.0)
    a = a.to(source)
    device = a.to(DEVICE)
    for target in COMMON + COMPLEX + UNSIGNED + FLOAT8:
        if not source.is_signed and target in FLOAT8 + UNSIGNED and source in UNSIGNED:
            continue
        if source.is_complex and not target.is_complex:
            continue
        negative = source.is_floating_point and target in (torch.uint8, *UNSIGNED)
        x, y = (a.abs(), device.abs()) if negative and source not in FLOAT8 else (a, device)
        if negative and source in FLOAT8:
            continue
        same(y.to(target), x.to(target))
        same(y.t().to(target).contiguous(), x.t().to(target).contiguous())


def test_float8_rounds_as_the_cpu_does():
    bits = torch.arange(-20000, 20000, dtype=torch.int32) * 53687
    a = bits.view(torch.float32)
    for dtype in FLOAT8:
        ours, theirs = a.to(DEVICE).to(dtype).cpu().view(torch.uint8), a.to(dtype).view(torch.uint8)
        nan = a.to(dtype).float().isnan()
        assert torch.equal(ours[~nan], theirs[~nan])
        assert bool(ours.view(dtype).float()[nan].isnan().all())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64,
                                   torch.complex128], ids=str)
def test_copies_between_strides(dtype):
    base = make((6, 40, 34), dtype)
    device = base.to(DEVICE)
    for order in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        same(device.permute(order).contiguous(), base.permute(order).contiguous(), exact=True)
        target, ours = torch.zeros(6, 40, 34, dtype=dtype), torch.zeros(6, 40, 34, dtype=dtype, device=DEVICE)
        target.permute(order).copy_(base.permute(order))
        ours.permute(order).copy_(device.permute(order))
        same(ours, target, exact=True)
    same(device[:, ::3, ::2].contiguous(), base[:, ::3, ::2].contiguous(), exact=True)
    same(device[1:2].expand(5, 40, 34).contiguous(), base[1:2].expand(5, 40, 34).contiguous(), exact=True)
    same(device.flip(0)[:, 1:, 1:].contiguous(), base.flip(0)[:, 1:, 1:].contiguous(), exact=True)
    deep = make((2, 3, 2, 3, 2, 3, 2, 3), dtype)
    same(deep.to(DEVICE).permute(7, 1, 5, 3, 4, 2, 6, 0).contiguous(),
         deep.permute(7, 1, 5, 3, 4, 2, 6, 0).contiguous(), exact=True)


def test_conjugate_and_negative_bits():
    a = make((9, 17), torch.complex64)
    device = a.to(DEVICE)
    same(device.conj().resolve_conj(), a.conj().resolve_conj())
    same(device.conj().imag.resolve_neg(), a.conj().imag.resolve_neg())
    same(device.conj().t().contiguous() * 2, a.conj().t().contiguous() * 2)
    same(device.conj().to(torch.complex128).resolve_conj(), a.conj().to(torch.complex128).resolve_conj())
    b = torch.zeros_like(device)
    b.copy_(device.conj())
    same(b, a.conj().resolve_conj())
    same(torch.complex(device.real, device.imag), torch.complex(a.real, a.imag))
    same(torch.polar(device.abs(), device.angle()), torch.polar(a.abs(), a.angle()))


def test_fills_and_ranges():
    for dtype in COMMON + COMPLEX + UNSIGNED + FLOAT8:
        value = 1 if dtype == torch.bool else 3
        same(torch.full((3, 70), value, dtype=dtype, device=DEVICE), torch.full((3, 70), value, dtype=dtype))
        a, b = torch.zeros(6, 70, dtype=dtype, device=DEVICE), torch.zeros(6, 70, dtype=dtype)
        a[:, ::2].fill_(value)
        b[:, ::2].fill_(value)
        same(a, b)
        a.zero_()
        same(a, b.zero_())
    for dtype in FLOATS + INTEGERS:
        same(torch.arange(0, 100, 3, dtype=dtype, device=DEVICE), torch.arange(0, 100, 3, dtype=dtype))
        same(torch.linspace(1, 50, 37, dtype=dtype, device=DEVICE), torch.linspace(1, 50, 37, dtype=dtype))
        same(torch.eye(5, 7, dtype=dtype, device=DEVICE), torch.eye(5, 7, dtype=dtype))
    same(torch.arange(-3.0, 1000.0, 0.1, device=DEVICE), torch.arange(-3.0, 1000.0, 0.1))
    same(torch.kaiser_window(20, device=DEVICE), torch.kaiser_window(20))


@pytest.mark.parametrize("dtype", COMMON + COMPLEX, ids=str)
def test_where(dtype):
    condition = make((20, 30), torch.bool)
    a, b = make((20, 30), dtype), make((30,), dtype, 1)
    agree(torch.where, condition, a, b, exact=True)
    agree(torch.where, condition, b, a, exact=True)
    agree(torch.where, condition[:, :1], a, b, exact=True)
    agree(torch.where, condition.t(), a.t(), b[:20], exact=True)
    same(torch.where(condition.to(DEVICE), a.to(DEVICE), 2), torch.where(condition, a, 2), exact=True)


SPECIAL_FUNCTIONS = {
    "entr": (0.0, 3.0), "erfcx": (-2.0, 30.0), "log_ndtr": (-9.0, 5.0), "ndtri": (0.001, 0.999),
    "i0e": (-20.0, 20.0), "i1": (-9.0, 9.0), "i1e": (-20.0, 20.0), "airy_ai": (-6.0, 6.0),
    "bessel_j0": (-20.0, 20.0), "bessel_j1": (-20.0, 20.0), "bessel_y0": (0.1, 20.0),
    "bessel_y1": (0.1, 20.0), "modified_bessel_i0": (-9.0, 9.0), "modified_bessel_i1": (-9.0, 9.0),
    "modified_bessel_k0": (0.1, 9.0), "modified_bessel_k1": (0.1, 9.0),
    "scaled_modified_bessel_k0": (0.1, 9.0), "scaled_modified_bessel_k1": (0.1, 9.0),
    "spherical_bessel_j0": (-9.0, 9.0), "digamma": (-3.4, 12.0), "gammaln": (0.1, 30.0),
}


@pytest.mark.parametrize("name", SPECIAL_FUNCTIONS)
def test_special_functions(name):
    for dtype, limit in ((torch.float32, 3e-5), (torch.float64, 1e-11)):
        low, high = SPECIAL_FUNCTIONS[name]
        a = make((900,), dtype, low=low, high=high)
        function = getattr(torch.special, name)
        torch.testing.assert_close(function(a.to(DEVICE)).cpu(), function(a), atol=limit, rtol=limit)


def test_special_functions_of_two_numbers():
    for dtype, limit in ((torch.float32, 1e-4), (torch.float64, 1e-10)):
        a, x = make((500,), dtype, low=0.3, high=20), make((500,), dtype, 1, low=0.1, high=25)
        for function in (torch.igamma, torch.igammac, torch.xlogy, torch.special.xlog1py,
                         lambda a, x: torch.special.zeta(a + 1, x)):
            torch.testing.assert_close(function(a.to(DEVICE), x.to(DEVICE)).cpu(), function(a, x),
                                       atol=limit, rtol=limit)
        for n in range(4):
            torch.testing.assert_close(torch.polygamma(n, a.to(DEVICE)).cpu(), torch.polygamma(n, a),
                                       atol=limit, rtol=limit)
        y, degree = make((300,), dtype, low=-1.5, high=1.5), torch.arange(300) % 12
        for name in ("chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v",
                     "chebyshev_polynomial_w", "hermite_polynomial_h", "hermite_polynomial_he",
                     "laguerre_polynomial_l", "legendre_polynomial_p", "shifted_chebyshev_polynomial_t"):
            function = getattr(torch.special, name)
            torch.testing.assert_close(function(y.to(DEVICE), degree.to(DEVICE)).cpu(),
                                       function(y, degree), atol=limit, rtol=10 * limit)


def test_other_functions():
    a = make((20, 30), torch.float32)
    broken = torch.tensor(SPECIAL)
    for value in (torch.nan_to_num, torch.isnan, torch.isinf, torch.isposinf, torch.isneginf):
        agree(value, broken)
    agree(lambda x: torch.nan_to_num(x, 1.0, 2.0, 3.0), broken)
    agree(torch.frexp, a)
    agree(lambda x: torch.round(x, decimals=2), a)
    agree(lambda x: torch.round(x * 1000, decimals=-2), a)
    agree(torch.ldexp, a, make((30,), torch.int32))
    agree(torch.isin, make((40,), torch.int64), make((5,), torch.int64, 1))
    agree(torch.logical_not, a)
    agree(lambda x, y: x << y, make((40,), torch.int32), make((40,), torch.int32).abs())


def test_more_elements_than_a_group_has_room_for():
    a = make((1 << 18, 5), torch.float32)
    agree(torch.add, a, make((5,), torch.float32, 1))
    agree(torch.add, a.t(), make((1 << 18,), torch.float32, 1))
    same(a.to(DEVICE).t().contiguous(), a.t().contiguous())


def test_errors_are_the_cpus():
    a = torch.ones(3, 4, device=DEVICE)
    with pytest.raises(RuntimeError, match="must match the size"):
        a + torch.ones(3, 5, device=DEVICE)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.ones(3, dtype=torch.int64, device=DEVICE).add_(0.5)
    with pytest.raises(RuntimeError, match="same device|two devices"):
        a + torch.ones(3, 4)


def test_64_bit_integers_become_floats_with_one_rounding():
    powers = torch.tensor([1 << k for k in range(63)])
    near = torch.arange(-3, 4)
    ties = (powers[:, None] + (powers[None, :] >> 1))[..., None] + near
    x = torch.cat([(powers[:, None] + near).flatten(), ties.flatten(),
                   torch.tensor([0, 2**63 - 1, -2**63])])
    x = torch.cat([x, -x])
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert torch.equal(x.to(DEVICE).to(dtype).cpu(), x.to(dtype)), dtype
    unsigned = x.view(torch.uint64)
    assert torch.equal(unsigned.to(DEVICE).to(torch.float32).cpu(), unsigned.to(torch.float32))
