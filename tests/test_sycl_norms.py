"""Softmax and normalisations of the SYCL engine against the CPU, with their gradients."""

import pytest
import torch
import torch.nn.functional as F
from engine import sycl_only

pytestmark = sycl_only()

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
TOLERANCE = {torch.float32: 3e-5, torch.float64: 1e-10, torch.float16: 5e-3,
             torch.bfloat16: 3e-2}
DEVICE = "xpu_lite"


@pytest.fixture(autouse=True)
def no_fallback():
    before = torch.xpu_lite.fallbacks()
    yield
    assert torch.xpu_lite.fallbacks() == before


def make(shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed),
                       dtype=torch.float64).to(dtype)


def close(actual, expected, dtype, where=""):
    t = TOLERANCE[dtype]
    scale = max(1.0, expected.double().abs().max().item()) if expected.numel() else 1.0
    torch.testing.assert_close(actual.cpu().double(), expected.double(), rtol=t, atol=t * scale,
                               equal_nan=True, msg=lambda m: f"{where}: {m}")


def check(function, *inputs, dtype, names=(), wide=True, strides=True):
    """function(*inputs) and the gradients of all inputs, against the CPU (in float64 for
    values when `wide`, and in dtype for dtypes and strides)."""
    results = {}
    for key, device, kind in (("cpu", "cpu", dtype), ("wide", "cpu", torch.float64),
                              ("device", DEVICE, dtype)):
        leaves = [t.to(dtype).to(kind).to(device).detach().requires_grad_() for t in inputs]
        y = function(*leaves)
        grad = make(y.shape, seed=9).to(dtype).to(y.dtype).to(device)
        y.backward(grad)
        results[key] = [y.detach(), *[leaf.grad for leaf in leaves]]
    for i, (a, e, w) in enumerate(zip(results["device"], results["cpu"], results["wide"],
                                      strict=True)):
        assert a.device.type == DEVICE and a.dtype == e.dtype and a.shape == e.shape
        if strides:
            assert a.stride() == e.stride(), i
        close(a, w if wide else e, dtype, f"result {i}")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape, dim", [((), 0), ((5,), 0), ((4, 33), 1), ((4, 33), 0),
                                        ((3, 5, 100), -1), ((3, 50, 7), 1), ((2, 3000), 1),
                                        ((0, 4), 1), ((64, 8), 1), ((700, 2100), 0),
                                        ((9, 130, 150), 1)])
def test_softmax(dtype, shape, dim):
    check(lambda t: F.softmax(t, dim), make(shape), dtype=dtype)
    check(lambda t: F.log_softmax(t, dim), make(shape), dtype=dtype)


def test_softmax_of_special_values():
    inf, nan = float("inf"), float("nan")
    x = torch.tensor([[0.0, -inf, 1.0], [-inf, -inf, -inf], [nan, 1.0, 2.0], [inf, 0.0, 1.0],
                      [1e30, -1e30, 0.0]])
    for f in (F.softmax, F.log_softmax):
        for dim in (0, 1):
            torch.testing.assert_close(f(x.to(DEVICE), dim).cpu(), f(x, dim), equal_nan=True)
    wide = x.t().repeat(40, 60).contiguous()  # long rows, softmax along the others
    wide[:, 7] = -inf
    for f in (F.softmax, F.log_softmax):
        torch.testing.assert_close(f(wide.to(DEVICE), 0).cpu(), f(wide, 0), equal_nan=True)
    safe = torch._safe_softmax(x[:2].to(DEVICE), 1).cpu()
    torch.testing.assert_close(safe, torch._safe_softmax(x[:2], 1))


def test_softmax_of_views_and_dtypes():
    x = make((6, 7, 8), torch.float32)
    y = x.to(DEVICE)
    torch.testing.assert_close(F.softmax(y.transpose(0, 2), 1).cpu(),
                               F.softmax(x.transpose(0, 2), 1))
    half = F.softmax(y.half(), -1, dtype=torch.float32)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.cpu(), F.softmax(x.half().float(), -1))
    leaf = y.half().requires_grad_()
    F.log_softmax(leaf, -1, dtype=torch.float32).sum().backward()
    assert leaf.grad.dtype == torch.float16
    out = torch.empty(6, 8, 7, device=DEVICE).transpose(1, 2)
    torch.softmax(y, 1, out=out)
    torch.testing.assert_close(out.cpu(), torch.softmax(x, 1))


def test_masked_softmax():
    x, mask = make((2, 3, 4, 4), torch.float32), torch.rand(2, 4) > 0.5
    mask[:, 0] = False
    expected = torch._masked_softmax(x, mask, 3, 1)
    torch.testing.assert_close(torch._masked_softmax(x.to(DEVICE), mask.to(DEVICE), 3, 1).cpu(),
                               expected)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape, last", [((4, 10), 1), ((3, 5, 768), 1), ((2, 3, 4, 5), 2),
                                         ((70, 33), 1), ((500, 16), 1), ((1, 1), 1)])
def test_layer_norm(dtype, shape, last):
    normalized = shape[-last:]
    w, b = make(normalized, seed=1), make(normalized, seed=2)
    check(lambda x, w, b: F.layer_norm(x, normalized, w, b), make(shape), w, b, dtype=dtype)
    check(lambda x: F.layer_norm(x, normalized), make(shape), dtype=dtype)
    check(lambda x, w: F.rms_norm(x, normalized, w, 1e-5), make(shape), w, dtype=dtype)
    check(lambda x: F.rms_norm(x, normalized, eps=1e-5), make(shape), dtype=dtype)


def test_layer_norm_with_float_parameters_and_errors():
    x, w = make((4, 32), torch.bfloat16), torch.rand(32)
    y, mean, rstd = torch.native_layer_norm(x.to(DEVICE), [32], w.to(DEVICE), None, 1e-5)
    expected = torch.native_layer_norm(x, [32], w, None, 1e-5)
    assert (mean.dtype, rstd.dtype) == (expected[1].dtype, expected[2].dtype) == (torch.float32,) * 2
    close(y, expected[0], torch.bfloat16)
    for shape in ([31], []):
        with pytest.raises(RuntimeError) as cpu:
            torch.native_layer_norm(x, shape, None, None, 1e-5)
        with pytest.raises(RuntimeError) as device:
            torch.native_layer_norm(x.to(DEVICE), shape, None, None, 1e-5)
        assert str(device.value) == str(cpu.value)
    x = make((3, 8), torch.float32) * 1e3 + 1e5  # mean far larger than the deviation
    close(F.layer_norm(x.to(DEVICE), (8,)), F.layer_norm(x.double(), (8,)), torch.float32)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape, groups", [((2, 6, 5, 5), 3), ((3, 8), 2), ((2, 8, 33), 8),
                                           ((1, 4, 7, 7), 1)])
def test_group_norm(dtype, shape, groups):
    w, b = make(shape[1:2], seed=1), make(shape[1:2], seed=2)
    check(lambda x, w, b: F.group_norm(x, groups, w, b), make(shape), w, b, dtype=dtype)
    check(lambda x: F.group_norm(x, groups), make(shape), dtype=dtype)


def test_group_norm_keeps_channels_last():
    x = make((2, 6, 5, 5), torch.float32).contiguous(memory_format=torch.channels_last)
    actual, expected = F.group_norm(x.to(DEVICE), 3), F.group_norm(x, 3)
    assert actual.stride() == expected.stride()
    close(actual, expected, torch.float32)


BATCHES = [(2, 3, 4, 5), (6, 70), (4, 5, 33), (2, 3, 2, 3, 4), (17, 64, 7, 7), (300, 3)]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape", BATCHES, ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_batch_norm(dtype, shape, training):
    c = shape[1]
    w, b = make((c,), seed=1), make((c,), seed=2)
    formats = [torch.contiguous_format]
    if len(shape) > 3:
        formats.append(torch.channels_last if len(shape) == 4 else torch.channels_last_3d)
    for memory_format in formats:
        running = {}

        def run(x, w, b):
            key = (x.device.type, x.dtype)
            mean, var = make((c,), seed=3), make((c,), seed=4).abs() + 0.5
            running[key] = [t.to(dtype).to(x.dtype).to(x.device) for t in (mean, var)]
            return F.batch_norm(x.contiguous(memory_format=memory_format), *running[key], w, b,
                                training, 0.2, 1e-5)

        check(run, make(shape), w, b, dtype=dtype, strides=False)
        for a, e in zip(running[(DEVICE, dtype)], running[("cpu", torch.float64)], strict=True):
            close(a, e, dtype, "running statistics")
        x = make(shape, dtype).contiguous(memory_format=memory_format)
        assert (F.batch_norm(x.to(DEVICE), None, None, training=True).stride()
                == F.batch_norm(x, None, None, training=True).stride())


def test_batch_norm_with_float_parameters():
    x = make((4, 8, 6, 6), torch.bfloat16)
    for device in ("cpu", DEVICE):
        bn = torch.nn.BatchNorm2d(8).to(device)
        y = bn(x.to(device))
        assert y.dtype == torch.bfloat16 and bn.running_mean.dtype == torch.float32
        y.float().pow(2).sum().backward()
        if device == "cpu":
            expected = [y, bn.running_mean, bn.running_var, bn.weight.grad, bn.bias.grad]
        else:
            for a, e in zip([y, bn.running_mean, bn.running_var, bn.weight.grad, bn.bias.grad],
                            expected, strict=True):
                assert a.dtype == e.dtype
                close(a.detach(), e.detach(), torch.bfloat16)


def test_batch_norm_errors():
    x = torch.randn(4, 3, device=DEVICE)
    with pytest.raises(RuntimeError, match="running_mean should contain 3 elements not 2"):
        F.batch_norm(x, torch.zeros(2, device=DEVICE), torch.ones(2, device=DEVICE))
    with pytest.raises(NotImplementedError):
        torch.native_batch_norm(x.long(), None, None, None, None, True, 0.1, 1e-5)


def test_batch_norm_of_large_means():
    x = make((16, 4, 9, 9), torch.float32) + 1000
    y = F.batch_norm(x.to(DEVICE), None, None, training=True)
    close(y, F.batch_norm(x.double(), None, None, training=True), torch.bfloat16)


def test_pieces_of_sync_batch_norm():
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = make((4, 6, 5, 5), torch.float32).contiguous(memory_format=memory_format)
        d, grad = x.to(DEVICE), make((4, 6, 5, 5), torch.float32, 1)
        mean, invstd = torch.batch_norm_stats(d, 1e-5)
        close(mean, x.mean((0, 2, 3)), torch.float32)
        close(invstd, (x.var((0, 2, 3), correction=0) + 1e-5).rsqrt(), torch.float32)
        running = torch.zeros(6, device=DEVICE), torch.ones(6, device=DEVICE)
        counts = torch.tensor([100.0, 100.0], device=DEVICE)
        m, s = torch.batch_norm_gather_stats_with_counts(
            d, torch.stack([mean, mean]), torch.stack([invstd, invstd]), *running, 0.1, 1e-5, counts)
        close(m, x.mean((0, 2, 3)), torch.float32)
        close(s, invstd.cpu(), torch.float32)
        close(running[1], 0.9 + 0.1 * x.var((0, 2, 3), correction=0) * 200 / 199, torch.float32)
        y = torch.batch_norm_elemt(d, None, None, m, s, 1e-5)
        leaf = x.clone().requires_grad_()
        expected = F.batch_norm(leaf, None, None, training=True)
        expected.backward(grad)
        close(y, expected.detach(), torch.float32)
        sums = torch.batch_norm_backward_reduce(grad.to(DEVICE), d, m, s, None, True, True, True)
        gx = torch.batch_norm_backward_elemt(grad.to(DEVICE), d, m, s, None, sums[0], sums[1],
                                             torch.tensor([100], device=DEVICE))
        close(gx, leaf.grad, torch.float32)


def test_update_stats_and_weight_norm():
    x = make((5, 3, 4), torch.float32)
    expected = torch.batch_norm_update_stats(x, None, None, 0.1)
    for a, e in zip(torch.batch_norm_update_stats(x.to(DEVICE), None, None, 0.1), expected,
                    strict=True):
        close(a, e, torch.float32)
    for dim in (0, 1):
        check(lambda v, g: torch._weight_norm(v, g, dim), make((4, 5)),
              make((4, 1) if dim == 0 else (1, 5), seed=1), dtype=torch.float32, strides=False)


def test_gradients_of_gradients():
    x = make((3, 4, 5)).to(DEVICE).requires_grad_()
    w = make((5,)).to(DEVICE).requires_grad_()
    torch.autograd.gradcheck(lambda t, s: F.layer_norm(t, (5,), s), (x, w))
    torch.autograd.gradgradcheck(lambda t: F.softmax(t, 1), (x,))
    c = make((4,)).to(DEVICE).requires_grad_()
    torch.autograd.gradgradcheck(
        lambda t, s: F.batch_norm(t, None, None, s, training=True), (x, c))
