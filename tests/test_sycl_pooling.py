"""Pooling, upsampling, nll_loss and binary_cross_entropy of the SYCL engine against the
CPU: values, indices, strides and gradients."""

import pytest
import torch
import torch.nn.functional as F
from engine import sycl_only

pytestmark = sycl_only()

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
TOLERANCE = {torch.bfloat16: 2e-2, torch.float16: 4e-3, torch.float32: 2e-5, torch.float64: 1e-10}


@pytest.fixture(autouse=True)
def no_fallback(request):
    if "falls_back" in request.node.name:
        yield
        return
    before = torch.xpu_lite.fallbacks()
    yield
    assert torch.xpu_lite.fallbacks() == before


def same(actual, expected, dtype, tolerance=None):
    assert actual.device.type == "xpu_lite"
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    assert actual.stride() == expected.stride()
    if dtype.is_floating_point and actual.is_floating_point():
        t = tolerance or TOLERANCE[dtype]
        torch.testing.assert_close(actual.cpu(), expected, rtol=t, atol=t, equal_nan=True)
    else:
        assert torch.equal(actual.cpu(), expected)


def check(function, x, backward=True, tolerance=None):
    """function(x) and the gradient of x."""
    results = []
    for device in ("cpu", "xpu_lite"):
        leaf = x.detach().clone().to(device).requires_grad_(backward)
        out = function(leaf)
        outs = out if isinstance(out, tuple) else (out,)
        if backward:
            g = torch.linspace(-1, 1, outs[0].numel()).view(outs[0].shape).to(outs[0].dtype)
            outs[0].backward(g.to(device))
        results.append([o.detach() for o in outs] + ([leaf.grad] if backward else []))
    for e, a in zip(*results):
        same(a, e, x.dtype, tolerance)


def values(*shape, dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


POOLS = {
    "max 2d": (lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), (2, 5, 13, 11)),
    "max 2d dilated": (lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 1), (2, 3), return_indices=True), (2, 5, 13, 11)),
    "max 2d ceil": (lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True), (2, 5, 12, 8)),
    "max 2d unbatched": (lambda x: F.max_pool2d(x, 2), (5, 9, 8)),
    "max 1d": (lambda x: F.max_pool1d(x, 3, 2, return_indices=True), (2, 4, 15)),
    "max 3d": (lambda x: F.max_pool3d(x, 2, 2, 1, return_indices=True), (2, 3, 6, 7, 5)),
    "avg 2d": (lambda x: F.avg_pool2d(x, 3, 2, 1), (2, 5, 13, 11)),
    "avg 2d no padding": (lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), (2, 5, 12, 11)),
    "avg 2d divisor": (lambda x: F.avg_pool2d(x, 2, divisor_override=3), (2, 5, 12, 11)),
    "avg 1d": (lambda x: F.avg_pool1d(x, 4, 2, 1), (2, 5, 19)),
    "avg 3d": (lambda x: F.avg_pool3d(x, 3, 2, 1), (2, 3, 7, 6, 8)),
    "adaptive avg 2d": (lambda x: F.adaptive_avg_pool2d(x, (4, 3)), (2, 5, 13, 11)),
    "adaptive avg 2d one": (lambda x: F.adaptive_avg_pool2d(x, 1), (2, 5, 7, 7)),
    "adaptive avg 3d": (lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)), (2, 3, 5, 7, 6)),
    "adaptive max 1d": (lambda x: F.adaptive_max_pool1d(x, 4, return_indices=True), (2, 3, 11)),
    "adaptive max 2d": (lambda x: F.adaptive_max_pool2d(x, (4, 3), return_indices=True), (2, 5, 13, 11)),
    "adaptive max 3d": (lambda x: F.adaptive_max_pool3d(x, (2, 3, 4), return_indices=True), (2, 3, 5, 7, 6)),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", POOLS)
def test_pooling(name, dtype):
    function, shape = POOLS[name]
    if name == "avg 3d" and dtype in (torch.float16, torch.bfloat16):
        pytest.skip("the CPU has no kernel")
    check(function, values(*shape, dtype=dtype))


@pytest.mark.parametrize("name", [n for n, (_, s) in POOLS.items() if len(s) == 4])
def test_pooling_channels_last(name):
    function, shape = POOLS[name]
    check(function, values(*shape).to(memory_format=torch.channels_last))


def test_nan_and_infinity():
    x = values(1, 1, 6, 6)
    x[0, 0, 1, 1] = float("nan")
    x[0, 0, 4:, 4:] = -float("inf")
    check(lambda t: F.max_pool2d(t, 2, return_indices=True), x, backward=False)
    check(lambda t: F.adaptive_max_pool2d(t, 3, return_indices=True), x, backward=False)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_integers(dtype):
    x = torch.arange(100).view(1, 2, 5, 10).flip(-1).to(dtype)
    check(lambda t: F.max_pool2d(t, 3, 2), x, backward=False)


def test_backward_has_the_same_bits_every_time():
    x = values(4, 16, 30, 30).to("xpu_lite")
    gradients = []
    for _ in range(2):
        leaf = x.clone().requires_grad_()
        F.max_pool2d(leaf, 5, 1).square().sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)


UPSAMPLES = {
    "nearest 1d": ((2, 3, 7), dict(size=11, mode="nearest")),
    "nearest 2d": ((2, 3, 7, 5), dict(scale_factor=2.0, mode="nearest")),
    "nearest 2d odd": ((2, 3, 7, 5), dict(scale_factor=1.7, mode="nearest")),
    "nearest 2d down": ((2, 3, 9, 8), dict(size=(4, 3), mode="nearest")),
    "nearest 3d": ((2, 3, 3, 4, 5), dict(size=(5, 3, 9), mode="nearest")),
    "exact 1d": ((2, 3, 7), dict(size=11, mode="nearest-exact")),
    "exact 2d": ((2, 3, 7, 5), dict(size=(5, 12), mode="nearest-exact")),
    "exact 3d": ((2, 3, 3, 4, 5), dict(size=(5, 3, 9), mode="nearest-exact")),
    "linear": ((2, 3, 7), dict(size=12, mode="linear")),
    "bilinear": ((2, 3, 7, 5), dict(size=(13, 4), mode="bilinear")),
    "bilinear corners": ((2, 3, 7, 5), dict(size=(13, 9), mode="bilinear", align_corners=True)),
    "bilinear factor": ((2, 3, 7, 5), dict(scale_factor=1.6, mode="bilinear", recompute_scale_factor=False)),
    "bicubic": ((2, 3, 7, 5), dict(size=(13, 4), mode="bicubic")),
    "bicubic tiny": ((1, 2, 2, 3), dict(size=(7, 5), mode="bicubic")),
    "bicubic corners": ((2, 3, 7, 5), dict(size=(13, 9), mode="bicubic", align_corners=True)),
    "trilinear": ((2, 3, 3, 4, 5), dict(size=(5, 3, 9), mode="trilinear")),
    "bilinear smooth": ((2, 3, 12, 15), dict(size=(5, 20), mode="bilinear", antialias=True)),
    "bicubic smooth": ((2, 3, 12, 15), dict(size=(5, 7), mode="bicubic", antialias=True)),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", UPSAMPLES)
def test_upsampling(name, dtype):
    shape, how = UPSAMPLES[name]
    if how.get("antialias") and dtype in (torch.float16, torch.bfloat16):
        pytest.skip("the CPU computes antialiased modes in the type itself")
    check(lambda x: F.interpolate(x, **how), values(*shape, dtype=dtype))


@pytest.mark.parametrize("name", ["nearest 2d odd", "bilinear", "bicubic"])
def test_upsampling_channels_last(name):
    shape, how = UPSAMPLES[name]
    check(lambda x: F.interpolate(x, **how), values(*shape).to(memory_format=torch.channels_last))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_upsampling_of_bytes_falls_back(mode, antialias):
    x = torch.randint(0, 256, (2, 3, 13, 17), dtype=torch.uint8)
    check(lambda t: F.interpolate(t, (7, 30), mode=mode, antialias=antialias), x, backward=False)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nll_loss(dtype, weighted, reduction):
    target = torch.arange(20) % 7
    target[3] = 2
    weight = torch.linspace(0.5, 1.5, 7).to(dtype) if weighted else None

    def loss(x):
        w = weight.to(x.device) if weighted else None
        return F.nll_loss(x, target.to(x.device), w, reduction=reduction, ignore_index=2)

    # The CPU adds 16-bit numbers up in 16 bits.
    check(loss, values(20, 7, dtype=dtype), tolerance=0.1 if dtype.itemsize == 2 else None)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_nll_loss2d(reduction):
    target = torch.arange(2 * 6 * 5).view(2, 6, 5) % 4
    loss = lambda x: F.nll_loss(x, target.to(x.device), reduction=reduction)
    check(loss, values(2, 4, 6, 5))
    # The CPU's backward takes contiguous tensors only.
    check(loss, values(2, 4, 6, 5).to(memory_format=torch.channels_last), backward=False)


def test_cross_entropy():
    target = torch.arange(3000) % 50
    check(lambda x: F.cross_entropy(x, target.to(x.device)), values(3000, 50))
    check(lambda x: F.cross_entropy(x, target.to(x.device), label_smoothing=0.1), values(3000, 50))
    soft = values(30, 7, seed=1).softmax(1)
    check(lambda x: F.cross_entropy(x, soft.to(x.device)), values(30, 7))
    check(lambda x: F.nll_loss(x, torch.tensor(3).to(x.device)), values(9))
    empty = F.nll_loss(values(0, 3).to("xpu_lite"), torch.empty(0, dtype=torch.long, device="xpu_lite"))
    assert empty.isnan()


def test_target_out_of_bounds():
    x = values(4, 3).to("xpu_lite")
    with pytest.raises(IndexError, match="Target 3"):
        F.nll_loss(x, torch.tensor([0, 1, 3, 2], device="xpu_lite"))
        torch.xpu_lite.synchronize()
    assert F.nll_loss(x, torch.tensor([0, 1, 2, 2], device="xpu_lite")).isfinite()


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_binary_cross_entropy(dtype, reduction):
    target = values(9, 6, seed=1).sigmoid().to(dtype)
    weight = values(6, seed=2).abs().to(dtype)
    loss = lambda x: F.binary_cross_entropy(
        x, target.to(x.device), weight.to(x.device), reduction=reduction
    )
    check(loss, values(9, 6).sigmoid().to(dtype))


def test_binary_cross_entropy_of_numbers_that_are_no_probabilities():
    x = torch.tensor([0.5, 1.5], device="xpu_lite")
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(x, torch.ones_like(x))
        torch.xpu_lite.synchronize()


def test_types_without_a_kernel():
    x = torch.ones(1, 1, 4, 4, dtype=torch.complex64, device="xpu_lite")
    with pytest.raises(RuntimeError, match="not implemented for 'ComplexFloat'"):
        F.avg_pool2d(x, 2)
