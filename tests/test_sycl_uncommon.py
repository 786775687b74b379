"""Operators of rarer use on the SYCL engine: sampling by a grid, max_unpool, distances between rows,
ctc_loss, cross products. Each against the CPU, with its gradients, and without a fallback. Run with
XPU_LITE_DEVICES naming a SYCL device, as opencl:cpu."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from engine import sycl_only

pytestmark = sycl_only()


@pytest.fixture(autouse=True)
def no_fallback():
    before = dict(torch.xpu_lite.fallbacks())
    yield
    assert dict(torch.xpu_lite.fallbacks()) == before


def compare(function, *inputs, tolerance=1e-4):
    """function on the CPU and on twins of the inputs on the device: results and gradients."""
    torch.manual_seed(3)
    there = [t.detach().to("xpu_lite").requires_grad_(t.requires_grad) for t in inputs]
    expected, found = function(*inputs), function(*there)
    assert found.device.type == "xpu_lite" and found.stride() == expected.stride()
    torch.testing.assert_close(found.cpu(), expected, rtol=tolerance, atol=tolerance)
    if not expected.requires_grad:
        return
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (found * weights.to("xpu_lite")).sum().backward()
    for here, other in zip(inputs, there):
        if here.requires_grad:
            torch.testing.assert_close(other.grad.cpu(), here.grad, rtol=tolerance, atol=tolerance,
                                       equal_nan=True)


@pytest.mark.parametrize("dims, mode", [(2, "bilinear"), (2, "nearest"), (2, "bicubic"),
                                        (3, "bilinear"), (3, "nearest")])
def test_grid_sample(dims, mode):
    torch.manual_seed(0)
    for padding, align in itertools.product(("zeros", "border", "reflection"), (False, True)):
        image = torch.randn((2, 3, 5, 7, 6)[: dims + 2], requires_grad=True)
        grid = torch.rand(2, *(4, 5, 3)[:dims], dims) * 3 - 1.5  # also outside of the image
        compare(lambda i, g: F.grid_sample(i, g, mode, padding, align), image,
                grid.requires_grad_())


def test_grid_sample_sums_at_one_place():
    """More places than pixels: all add to the same ones, by atomics and one after the other."""
    torch.manual_seed(0)
    image = torch.randn(1, 1, 4, 4, requires_grad=True)
    grid = torch.rand(1, 40, 40, 2) * 2 - 1
    compare(lambda i, g: F.grid_sample(i, g, align_corners=False), image, grid, tolerance=1e-3)
    torch.use_deterministic_algorithms(True)
    try:
        gradients = []
        for _ in range(3):
            there = image.detach().to("xpu_lite").requires_grad_()
            F.grid_sample(there, grid.to("xpu_lite"), align_corners=False).sum().backward()
            gradients.append(there.grad.cpu())
        assert torch.equal(gradients[0], gradients[1]) and torch.equal(gradients[0], gradients[2])
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_grid_sample_in_halves_is_computed_in_float(dtype):
    torch.manual_seed(0)
    image, grid = torch.randn(1, 2, 6, 6).to(dtype), (torch.rand(1, 5, 5, 2) * 2 - 1).to(dtype)
    expected = F.grid_sample(image.float(), grid.float(), align_corners=False).to(dtype)
    found = F.grid_sample(image.to("xpu_lite"), grid.to("xpu_lite"), align_corners=False)
    torch.testing.assert_close(found.cpu(), expected)


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, float("inf")])
def test_distances(p):
    torch.manual_seed(0)
    for one, other in [((4, 3), (5, 3)), ((2, 1, 4, 3), (3, 5, 3)), ((30, 4), (31, 4)),
                       ((0, 3), (5, 3)), ((4, 0), (5, 0))]:
        compare(lambda a, b: torch.cdist(a, b, p), torch.randn(one, requires_grad=True),
                torch.randn(other, requires_grad=True), tolerance=1e-3)
    compare(lambda a: F.pdist(a, p), torch.randn(6, 4, requires_grad=True), tolerance=1e-3)


@pytest.mark.parametrize("targets", ["matrix", "in a row", "all on the device"])
def test_ctc_loss(targets):
    torch.manual_seed(0)
    inputs, lengths = torch.tensor([12, 9, 12, 3]), torch.tensor([5, 3, 0, 4])
    labels = torch.randint(1, 6, (int(lengths.sum()),) if targets == "in a row" else (4, 5))
    labels[1] = labels[0]  # equal neighbours, which a blank must keep apart
    for reduction, zero in itertools.product(("none", "mean", "sum"), (False, True)):
        def loss(probs):
            on = [t.to(probs.device) for t in (inputs, lengths)]
            return F.ctc_loss(probs, labels.to(probs.device),
                              *(on if targets == "all on the device" else (inputs, lengths)),
                              reduction=reduction, zero_infinity=zero)
        # The last item is too short for its target: its loss is infinite, or zero.
        rows = slice(None) if zero or reduction == "none" else slice(0, 3)
        probs = torch.randn(12, 4, 6).log_softmax(2)
        if rows == slice(None):
            compare(loss, probs.requires_grad_())
        else:
            assert loss(probs.to("xpu_lite")).item() == float("inf")


def test_ctc_loss_refuses():
    probs = torch.randn(5, 1, 3, device="xpu_lite").log_softmax(2)
    with pytest.raises(IndexError, match=r"\[ctc_loss\] target label 7.*less than 3"):
        F.ctc_loss(probs, torch.tensor([[7]], device="xpu_lite"), [5], [1])
        torch.xpu_lite.synchronize()
    for inputs, lengths in ([6], [1]), ([5], [2]), ([5, 5], [1]), ([5], [-1]):
        with pytest.raises(RuntimeError):
            F.ctc_loss(probs, torch.tensor([[1]], device="xpu_lite"), inputs, lengths)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_max_unpool(dims):
    torch.manual_seed(0)
    pool = getattr(F, f"max_pool{dims}d")
    unpool = getattr(F, f"max_unpool{dims}d")
    values, indices = pool(torch.randn((2, 3, 8, 8, 8)[: dims + 2]), 2, return_indices=True)
    compare(lambda v, i: unpool(v, i, 2), values.requires_grad_(), indices)
    if dims == 2:
        compare(lambda v, i: unpool(v, i, 2),
                values.detach().to(memory_format=torch.channels_last), indices)
    bad = torch.full(indices.shape, 8**dims, device="xpu_lite")
    with pytest.raises(RuntimeError, match=f"index {8**dims} is out of bounds"):
        unpool(values.detach().to("xpu_lite"), bad, 2)
        torch.xpu_lite.synchronize()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_cross(dtype):
    torch.manual_seed(0)
    a, b = (torch.randn(4, 3, 5) * 9).to(dtype), (torch.randn(1, 3, 1) * 9).to(dtype)
    compare(lambda x, y: torch.linalg.cross(x, y, dim=1), a, b,
            tolerance=1e-5 if dtype.is_floating_point else 0)
