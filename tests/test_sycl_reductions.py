"""Reductions and scans of the SYCL engine against the CPU: values, indices, strides, errors.

Results are compared to the CPU's; sums of half types and of many numbers to float64.
"""

import itertools

import pytest
import torch
from engine import sycl_only

pytestmark = sycl_only()

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
COMPLEX = [torch.complex64, torch.complex128]
TOLERANCE = {
    torch.float32: 2e-5, torch.float64: 1e-11, torch.float16: 4e-3, torch.bfloat16: 2e-2,
    torch.complex64: 2e-5, torch.complex128: 1e-11,
}
DEVICE = "xpu_lite"


@pytest.fixture(autouse=True)
def no_fallback():
    before = torch.xpu_lite.fallbacks()
    yield
    assert torch.xpu_lite.fallbacks() == before


def make(shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) > 0.4
    if dtype.is_floating_point or dtype.is_complex:
        kind = torch.complex128 if dtype.is_complex else torch.float64
        return torch.randn(shape, generator=generator, dtype=kind).to(dtype)
    low = 0 if dtype == torch.uint8 else -9
    return torch.randint(low, 10, shape, generator=generator).to(dtype)


def same(actual, expected):
    if isinstance(expected, (tuple, list)):
        for a, e in zip(actual, expected, strict=True):
            same(a, e)
        return
    assert actual.device.type == DEVICE
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert actual.stride() == expected.stride()
    t = TOLERANCE.get(expected.dtype, 0)
    torch.testing.assert_close(actual.cpu(), expected, rtol=t, atol=t, equal_nan=True)


def check(function, x):
    same(function(x.to(DEVICE)), function(x))


SHAPES = [(), (1,), (7,), (0,), (3, 0, 2), (5, 33), (129, 65), (4, 3, 50), (2, 5, 3, 17),
          (300, 4), (2, 3, 2, 2, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_dim(shape):
    x = make(shape, torch.float32)
    dims = [None, *range(-len(shape), len(shape)),
            *itertools.combinations(range(len(shape)), 2)]
    for dim, keepdim in itertools.product(dims, (False, True)):
        check(lambda t: torch.sum(t, dim, keepdim=keepdim), x)
        check(lambda t: torch.mean(t, dim, keepdim=keepdim), x)
        check(lambda t: torch.any(t > 0, dim, keepdim=keepdim) if dim is not None
              else torch.any(t > 0), x)
        check(lambda t: torch.linalg.vector_norm(t, 2, dim, keepdim=keepdim), x)
        if x.numel():
            check(lambda t: torch.var(t, dim, correction=0, keepdim=keepdim), x)
            check(lambda t: torch.amax(t, () if dim is None else dim, keepdim=keepdim), x)
            if not isinstance(dim, tuple):
                check(lambda t: torch.argmax(t, dim, keepdim=keepdim), x)
        if isinstance(dim, int) and x.numel():
            check(lambda t: torch.min(t, dim, keepdim=keepdim), x)
            check(lambda t: torch.prod(t, dim, keepdim=keepdim), x)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS + [torch.bool] + COMPLEX, ids=str)
def test_every_dtype(dtype):
    x = make((37, 70), dtype)
    small = make((40, 6), dtype)
    for dim in (0, 1, (0, 1)):
        check(lambda t: torch.sum(t, dim), x)
        check(lambda t: torch.any(t, dim), x)
        check(lambda t: torch.all(t, dim), x)
        check(lambda t: torch.count_nonzero(t, dim), x)
    check(lambda t: torch.prod(t, 1), small)
    if dtype.is_floating_point or dtype.is_complex:
        check(lambda t: torch.mean(t, 1), x)
        check(lambda t: torch.var_mean(t, 0), x)
        for p in (0, 1, 2, 3, 0.5, float("inf"), -float("inf")):
            check(lambda t: torch.linalg.vector_norm(t, p, 1), x)
        check(lambda t: torch.nansum(t, 1) if dtype.is_floating_point else t.sum(1), x)
        check(lambda t: torch.std(t), x)
    if not dtype.is_complex:
        for dim in (0, 1):
            check(lambda t: torch.max(t, dim), x)
            check(lambda t: torch.min(t, dim), x)
            check(lambda t: torch.cummax(t, dim), x)
            check(lambda t: torch.cummin(t, dim), x)
            check(lambda t: tuple(torch.aminmax(t, dim=dim)), x)
            if dtype != torch.bool:
                check(lambda t: torch.argmin(t, dim), x)
        check(torch.max, x)
        check(torch.min, x)
        check(lambda t: tuple(torch.aminmax(t)), x)


@pytest.mark.parametrize("dtype", [d for d in FLOATS + INTEGERS + COMPLEX if d != torch.uint8],
                         ids=str)
def test_scans(dtype):
    x = make((3, 70, 5), dtype)
    for dim in (0, 1, 2):
        expected = torch.cumsum(x.to(torch.float64 if dtype.is_floating_point else x.dtype), dim)
        actual = torch.cumsum(x.to(DEVICE), dim)
        t = TOLERANCE.get(dtype, 0)
        torch.testing.assert_close(actual.cpu(), expected.to(actual.dtype), rtol=t, atol=t)
        assert actual.stride() == torch.cumsum(x, dim).stride()
    check(lambda t: torch.cumprod(t, 2), x)
    if dtype.is_floating_point:
        check(lambda t: torch.logcumsumexp(t, 1), x)
        check(lambda t: torch.logsumexp(t, 1), x)


def test_long_rows_are_cut_into_parts():
    # A part of a few elements, whole vectors, and one part less than a vector.
    for n in (1, 15, 16, 17, 64, 65, 4095, 8193, 1_000_003):
        x = make((n,), torch.int64)
        check(torch.sum, x)
        check(lambda t: torch.cumsum(t, 0), x)
        check(torch.argmax, x)
    x = make((2, 300_000), torch.float32)
    check(lambda t: torch.amin(t, 1), x)
    check(lambda t: torch.std(t, 1), x)
    check(lambda t: torch.var_mean(t.t(), 0), x)
    check(lambda t: torch.sum(t.t().contiguous(), 0), x.to(torch.float64))


def test_float_sums_are_as_good_as_the_cpus():
    x = torch.rand(3_000_000, generator=torch.Generator().manual_seed(1))
    true = x.double().sum()
    device = abs(x.to(DEVICE).sum().double().cpu() - true) / true
    assert device < 1e-6
    running = x.to(DEVICE).cumsum(0).cpu().double()
    assert ((running - x.double().cumsum(0)) / x.double().cumsum(0)).abs().max() < 1e-6
    shifted = (make((200_000,), torch.float32) + 1000).contiguous()
    variance = shifted.double().var()
    assert abs(shifted.to(DEVICE).var().cpu().double() - variance) / variance < 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_halves_are_summed_in_float(dtype):
    x = torch.ones(100_000, dtype=dtype) * 0.1
    for function in (torch.mean, lambda t: torch.linalg.vector_norm(t) / 100_000 ** 0.5):
        actual = function(x.to(DEVICE)).cpu().double()
        assert abs(actual - x[0].double()) <= torch.finfo(dtype).eps * x[0].double()


# Rows that are long enough to be walked from end to end: apart from each other in memory
# and adjacent, in one part and in several, with columns and rows left over.
STREAMS = [((515, 1030), 0), ((64, 5000), 0), ((5, 200, 300), 1), ((3, 1100, 65), 1),
           ((2, 130, 3, 400), (1, 2))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int32])
@pytest.mark.parametrize("shape, dim", STREAMS)
def test_rows_as_streams(shape, dim, dtype):
    x = make(shape, dtype)
    check(lambda t: t.amax(dim), x)
    check(lambda t: t.amin(dim), x)
    check(lambda t: t.any(dim) if isinstance(dim, int) else t.sum(dim, dtype=torch.int64), x)
    if isinstance(dim, int):
        check(lambda t: t.argmax(dim), x)
        check(lambda t: t.min(dim), x)
    if not dtype.is_floating_point:
        return check(lambda t: t.sum(dim), x)
    wide = {"dtype": torch.float32} if dtype == torch.bfloat16 else {}
    t = max(TOLERANCE[dtype], 1e-11)
    for name, function in {"sum": lambda v: v.sum(dim, **wide), "var": lambda v: v.var(dim),
                           "norm": lambda v: torch.linalg.vector_norm(v, 2, dim)}.items():
        actual, expected = function(x.to(DEVICE)).cpu(), function(x.double() if wide else x)
        torch.testing.assert_close(actual.double(), expected.double(), rtol=t, atol=20 * t,
                                   msg=lambda text: f"{name}: {text}")


@pytest.mark.parametrize("shape, dim", STREAMS[:4])
def test_streams_of_nan_and_infinity(shape, dim):
    x = make(shape, torch.float32)
    x.select(dim, 7)[..., ::5] = float("nan")
    x.select(dim, 40)[..., ::7] = -float("inf")
    x[..., -1] = -float("inf")
    for function in (torch.amax, torch.amin, torch.argmax, torch.argmin, torch.sum):
        check(lambda t: function(t, dim), x)
    check(lambda t: t.max(dim), x)


def test_strided_inputs():
    x = make((6, 7, 8, 9), torch.float32)
    y = x.to(DEVICE)
    for view in (lambda t: t.permute(3, 1, 0, 2), lambda t: t[::2, 1:, ::3],
                 lambda t: t[:, :1].expand(6, 7, 8, 9), lambda t: t.flip(0).transpose(0, 3),
                 lambda t: t[..., 3]):
        for dim in (0, 1, (0, 2), (1, 2)):
            same(view(y).sum(dim), view(x).sum(dim))
            same(view(y).amax(dim), view(x).amax(dim))
        same(view(y).max(1), view(x).max(1))
        same(view(y).cumsum(1), view(x).cumsum(1))


def test_more_dimensions_than_a_kernel_takes():
    x = make((2,) * 16, torch.float32)
    dims = tuple(range(0, 16, 2))
    check(lambda t: t.sum(dims), x)
    check(lambda t: t.permute(*range(15, -1, -1)).amax(dims), x)
    check(lambda t: t.permute(*range(15, -1, -1)).max(3), x)


def test_nan_and_ties():
    nan = float("nan")
    x = torch.tensor([[1.0, nan, 3.0, nan], [2.0, 2.0, -1.0, 2.0], [0.0, -0.0, 0.0, -0.0]])
    for dtype in FLOATS:
        for dim in (0, 1):
            for f in (torch.max, torch.min, torch.argmax, torch.argmin, torch.amax, torch.amin,
                      torch.cummax, torch.cummin, torch.nansum, torch.sum):
                check(lambda t: f(t, dim), x.to(dtype))
    wide = torch.zeros(5, 1000)
    wide[:, 3::7] = 1
    wide[2, 500] = wide[2, 700] = nan
    check(lambda t: torch.max(t, 1), wide)
    check(lambda t: torch.min(t, 1), wide)
    check(lambda t: torch.max(t.t(), 0), wide)
    check(lambda t: torch.argmax(t), wide)
    infinite = torch.tensor([1.0, float("inf"), 2.0, -float("inf"), 3.0])
    check(lambda t: torch.cumsum(t, 0), infinite)
    check(lambda t: torch.logcumsumexp(t, 0), infinite[:3])


def test_out_and_dtype_arguments():
    x = make((9, 40), torch.float32)
    for function in (lambda t, out: torch.sum(t, 1, out=out),
                     lambda t, out: torch.amax(t, 1, out=out),
                     lambda t, out: torch.std(t, 1, out=out),
                     lambda t, out: torch.linalg.vector_norm(t, dim=1, out=out)):
        expected, actual = torch.empty(18)[::2], torch.empty(18, device=DEVICE)[::2]
        function(x, expected)
        function(x.to(DEVICE), actual)
        same(actual, expected)
    for dtype in (torch.float64, torch.float16):
        check(lambda t: torch.sum(t, 0, dtype=dtype), x)
        check(lambda t: torch.cumsum(t, 1, dtype=torch.float64), x)
    check(lambda t: torch.sum(t, 0, dtype=torch.float32), x.half())
    check(lambda t: torch.linalg.vector_norm(t, 2, 1, dtype=torch.float32), x.half())


def test_reductions_without_identity_refuse_empty_ones():
    for function in (torch.max, torch.argmin, lambda t: torch.amax(t, 1),
                     lambda t: torch.min(t, 1), torch.aminmax):
        with pytest.raises((RuntimeError, IndexError)) as expected:
            function(torch.empty(3, 0))
        with pytest.raises(type(expected.value)) as actual:
            function(torch.empty(3, 0, device=DEVICE))
        assert str(actual.value) == str(expected.value)
    check(lambda t: torch.amax(t, 0), torch.empty(3, 0))


def test_sums_are_the_same_each_time():
    x = make((1_000_000,), torch.float32).to(DEVICE)
    y = make((5000, 33), torch.float32).to(DEVICE)
    first, columns = x.sum(), y.sum(0)
    for _ in range(5):
        assert torch.equal(x.sum(), first) and torch.equal(y.sum(0), columns)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS + COMPLEX, ids=str)
def test_inner_products(dtype):
    for n in (0, 1, 100, 20_000):
        a, b = make((n,), dtype, 1), make((n,), dtype, 2)
        wide = {torch.float32: torch.float64, torch.float16: torch.float64,
                torch.bfloat16: torch.float64, torch.complex64: torch.complex128}.get(dtype, dtype)
        for f in (torch.dot, torch.vdot):
            expected = f(a.to(wide), b.to(wide)).to(dtype)
            t = TOLERANCE.get(dtype, 0)
            torch.testing.assert_close(f(a.to(DEVICE), b.to(DEVICE)).cpu(), expected,
                                       rtol=t, atol=t * max(1, n) ** 0.5)
    a = make((50,), dtype)
    same(torch.dot(a.to(DEVICE)[::2], a.to(DEVICE)[1::2]), torch.dot(a[::2], a[1::2]))


def test_equal_and_trace():
    x = make((20, 30), torch.float32)
    y = x.to(DEVICE)
    assert torch.equal(y, x.to(DEVICE)) and not torch.equal(y, y + 1)
    assert not torch.equal(y, y[:5]) and torch.equal(y[:0], y[:0])
    nan = torch.full((3,), float("nan"), device=DEVICE)
    assert not torch.equal(nan, nan)
    check(torch.trace, x)
    check(torch.trace, make((5, 3), torch.int64))


def test_gradients():
    x = make((6, 5, 4), torch.float64)
    for function in (lambda t: t.sum((0, 2)), lambda t: t.mean(1), lambda t: t.prod(1),
                     lambda t: t.std(0), lambda t: t.logsumexp(2), lambda t: t.cumsum(1),
                     lambda t: t.norm(dim=1), lambda t: t.amax(1), lambda t: t.max(1).values):
        gradients = []
        for device in ("cpu", DEVICE):
            leaf = x.to(device).clone().requires_grad_()
            y = function(leaf)
            y.backward(torch.ones_like(y) * 2)
            gradients.append(leaf.grad)
        torch.testing.assert_close(gradients[1].cpu(), gradients[0])
