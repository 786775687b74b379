"""The operators that SyncBatchNorm is made of, and RMSNorm's fused pair."""

import pytest
import torch
import torch.nn.functional as F

DEVICE = "xpu_lite"
aten = torch.ops.aten
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
TOLERANCE = {
    torch.float64: dict(rtol=1e-10, atol=1e-10),
    torch.float32: dict(rtol=1e-5, atol=1e-5),
    torch.bfloat16: dict(rtol=2e-2, atol=2e-2),
    torch.float16: dict(rtol=2e-3, atol=2e-3),
}
SHAPES = [(6, 5), (4, 3, 7), (2, 40, 9, 11), (2, 3, 4, 5, 6), (3, 1, 2, 2)]
FORMATS = [torch.contiguous_format, torch.channels_last]


def statistic(dtype):
    return torch.float64 if dtype == torch.float64 else torch.float32


def make(shape, dtype, memory_format=torch.contiguous_format, shift=0.0):
    x = torch.randn(shape, dtype=torch.float64) * 2 + shift
    x = x.to(dtype)
    if memory_format == torch.channels_last and len(shape) == 4:
        x = x.contiguous(memory_format=memory_format)
    return x


def view(t, x):
    return t.reshape([1, -1] + [1] * (x.dim() - 2))


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_stats_and_elemt(shape, dtype, memory_format):
    torch.manual_seed(0)
    x = make(shape, dtype, memory_format, shift=100.0 if dtype == torch.float32 else 1.0)
    weight, bias = make((shape[1],), statistic(dtype)), make((shape[1],), statistic(dtype))
    mean, invstd = aten.batch_norm_stats(x.to(DEVICE), 1e-3)
    dims = [d for d in range(x.dim()) if d != 1]
    want_mean = x.double().mean(dims)
    want_invstd = (x.double().var(dims, correction=0) + 1e-3).rsqrt()
    assert mean.dtype == invstd.dtype == statistic(dtype)
    exact = TOLERANCE[statistic(dtype)]
    torch.testing.assert_close(mean.cpu().double(), want_mean, **exact)
    torch.testing.assert_close(invstd.cpu().double(), want_invstd, **exact)

    for w, b in ((weight, bias), (None, None), (weight, None)):
        args = [t if t is None else t.to(DEVICE) for t in (w, b)]
        out = aten.batch_norm_elemt(x.to(DEVICE), *args, mean, invstd, 1e-3)
        want = (x.double() - view(want_mean, x)) * view(want_invstd, x)
        want = want if w is None else want * view(w.double(), x)
        want = want if b is None else want + view(b.double(), x)
        # The input's distance from its mean carries the mean's rounding.
        loose = dict(rtol=1e-4, atol=1e-4) if dtype == torch.float32 else TOLERANCE[dtype]
        assert out.dtype == dtype and out.stride() == x.stride()
        torch.testing.assert_close(out.cpu().double(), want, **loose)
        into = torch.empty(0, dtype=dtype, device=DEVICE)
        assert aten.batch_norm_elemt(x.to(DEVICE), *args, mean, invstd, 1e-3, out=into) is into
        torch.testing.assert_close(into, out)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_gathered_statistics_equal_those_of_the_whole_batch(dtype):
    torch.manual_seed(0)
    parts = [make((n, 4, 5), dtype, shift=n) for n in (2, 7, 3)]
    counts = torch.tensor([float(p.numel() // 4) for p in parts])
    stats = [aten.batch_norm_stats(p.to(DEVICE), 1e-5) for p in parts]
    mean, invstd = (torch.stack(s) for s in zip(*stats))
    running = [torch.full((4,), 0.5, device=DEVICE), torch.full((4,), 2.0, device=DEVICE)]
    got = aten.batch_norm_gather_stats_with_counts(
        parts[0].to(DEVICE), mean, invstd, *running, 0.1, 1e-5, counts.to(DEVICE))
    whole = torch.cat(parts).double()
    want_mean = whole.mean((0, 2))
    want_var = whole.var((0, 2), correction=0)
    exact = dict(rtol=1e-5, atol=1e-5)
    assert got[0].dtype == statistic(dtype)
    torch.testing.assert_close(got[0].cpu().double(), want_mean, **exact)
    torch.testing.assert_close(got[1].cpu().double(), (want_var + 1e-5).rsqrt(), **exact)
    torch.testing.assert_close(running[0].cpu().double(), 0.45 + 0.1 * want_mean, **exact)
    unbiased = whole.var((0, 2), correction=1)
    torch.testing.assert_close(running[1].cpu().double(), 1.8 + 0.1 * unbiased, **exact)

    same = aten.batch_norm_gather_stats(parts[0].to(DEVICE), mean, invstd, None, None, 0.1, 1e-5, 10)
    equal = aten.batch_norm_gather_stats_with_counts(
        parts[0].to(DEVICE), mean, invstd, None, None, 0.1, 1e-5, torch.full((3,), 10.0, device=DEVICE))
    for a, b in zip(same, equal):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("affine", [True, False])
def test_backward_equals_batch_norm(shape, dtype, memory_format, affine):
    torch.manual_seed(0)
    x, grad = make(shape, dtype, memory_format), make(shape, dtype, memory_format)
    weight = make((shape[1],), statistic(dtype)) if affine else None
    xd = x.double().requires_grad_()
    wd = weight.double().requires_grad_() if affine else None
    bd = torch.zeros(shape[1], dtype=torch.float64, requires_grad=True)
    F.batch_norm(xd, None, None, wd, bd, training=True, eps=1e-3).backward(grad.double())

    device_weight = weight.to(DEVICE) if affine else None
    mean, invstd = aten.batch_norm_stats(x.to(DEVICE), 1e-3)
    sum_dy, sum_dy_xmu, grad_weight, grad_bias = aten.batch_norm_backward_reduce(
        grad.to(DEVICE), x.to(DEVICE), mean, invstd, device_weight, True, affine, True)
    count = torch.tensor([x.numel() // shape[1]], dtype=torch.int32, device=DEVICE)
    grad_input = aten.batch_norm_backward_elemt(
        grad.to(DEVICE), x.to(DEVICE), mean, invstd, device_weight, sum_dy, sum_dy_xmu, count)
    assert grad_input.dtype == dtype and grad_input.stride() == x.stride()
    assert sum_dy.dtype == statistic(dtype)
    torch.testing.assert_close(grad_input.cpu().double(), xd.grad, **TOLERANCE[dtype])
    loose = {k: 10 * v for k, v in TOLERANCE[dtype].items()}
    if affine:
        assert grad_weight.dtype == weight.dtype
        torch.testing.assert_close(grad_weight.cpu().double(), wd.grad, **loose)
    torch.testing.assert_close(grad_bias.cpu().double(), bd.grad, **loose)


def test_reduce_gives_only_what_is_asked_for():
    x = torch.randn(3, 2, device=DEVICE)
    mean, invstd = aten.batch_norm_stats(x, 1e-5)
    result = aten.batch_norm_backward_reduce(x, x, mean, invstd, None, False, False, True)
    assert [r is not None for r in result] == [False, False, False, True]


def test_bad_arguments():
    x = torch.randn(3, 2, device=DEVICE)
    with pytest.raises(RuntimeError, match="batch_norm_elemt.*mean to have 2 elements"):
        aten.batch_norm_elemt(x, None, None, torch.ones(3, device=DEVICE), torch.ones(2, device=DEVICE), 0.1)
    with pytest.raises(RuntimeError, match="batch_norm_stats"):
        aten.batch_norm_stats(x[0], 1e-5)
    with pytest.raises(NotImplementedError, match="batch_norm_stats.*Int"):
        aten.batch_norm_stats(x.int(), 1e-5)


# ---- RMSNorm ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape, normalized", [((4, 7), (7,)), ((3, 5, 40), (40,)), ((300, 130), (130,)),
                                               ((2, 3, 4, 5), (4, 5)), ((9,), (9,)), ((0, 4), (4,))])
def test_rms_norm(shape, normalized, affine, dtype):
    torch.manual_seed(0)
    x = make(shape, dtype)
    weight = make(normalized, dtype) if affine else None
    grad = make(shape, dtype)

    def step(device):
        leaves = [t.detach().clone().to(device).requires_grad_() for t in (x, weight) if t is not None]
        out = F.rms_norm(leaves[0], normalized, leaves[1] if affine else None)
        return [out.detach()] + list(torch.autograd.grad(out, leaves, grad.to(device)))

    loose = {k: 4 * v for k, v in TOLERANCE[dtype].items()}
    for got, want in zip(step(DEVICE), step("cpu")):
        assert got.device.type == DEVICE and got.stride() == want.stride() and got.dtype == dtype
        scale = max(1.0, want.abs().max().item()) if want.numel() else 1.0
        torch.testing.assert_close(got.cpu() / scale, want / scale, **loose)


def test_rms_norm_to_second_order():
    x = torch.randn(3, 5, dtype=torch.float64, device=DEVICE, requires_grad=True)
    w = torch.randn(5, dtype=torch.float64, device=DEVICE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: F.rms_norm(x, (5,), w, 1e-3), (x, w))
    assert torch.autograd.gradgradcheck(lambda x, w: F.rms_norm(x, (5,), w, 1e-3), (x, w))
