"""Convolutions of the SYCL engine against the CPU, forward and backward.  Run with
XPU_LITE_DEVICES naming a SYCL device, as opencl:cpu."""

import pytest
import torch
import torch.nn.functional as F
from engine import sycl_only

pytestmark = sycl_only()

f32, f64 = torch.float32, torch.float64
TOLERANCE = {torch.bfloat16: 4e-2, torch.float16: 5e-3, torch.float32: 1e-4, torch.float64: 1e-10}
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def make(shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(dtype)


def run(function, tensors, device, backward):
    """Result, and the gradients of all tensors."""
    leaves = [t.detach().to(device).requires_grad_(backward) for t in tensors]
    y = function(*leaves)
    if not backward:
        return [y]
    generator = torch.Generator().manual_seed(7)
    y.backward(torch.randn(y.shape, generator=generator).to(y.dtype).to(device))
    return [y.detach(), *[t.grad for t in leaves]]


def check(function, *tensors, backward=True, strides=True):
    expected = run(function, tensors, "cpu", backward)
    actual = run(function, tensors, "xpu_lite", backward)
    tolerance = TOLERANCE.get(expected[0].dtype, 0)
    for e, a in zip(expected, actual, strict=True):
        assert a.device.type == "xpu_lite"
        assert (a.dtype, a.shape) == (e.dtype, e.shape)
        if strides:
            assert a.stride() == e.stride()
        scale = max(1.0, e.abs().max().item()) if e.numel() else 1.0
        torch.testing.assert_close(a.cpu(), e, rtol=tolerance, atol=tolerance * scale)


FORMATS = {
    2: [torch.contiguous_format, torch.channels_last],
    3: [torch.contiguous_format, torch.channels_last_3d],
}


@pytest.mark.parametrize("dtype", [f32, torch.bfloat16, torch.float16, f64], ids=str)
@pytest.mark.parametrize("format", FORMATS[2], ids=str)
@pytest.mark.parametrize(
    "channels,out,kernel,options",
    [
        (16, 16, 3, {"padding": 1}),
        (3, 8, 7, {"stride": 2, "padding": 3}),
        (8, 12, 1, {}),
        (8, 8, 3, {"groups": 8, "padding": 1}),
        (8, 12, 3, {"groups": 2, "dilation": 2}),
        (5, 7, (3, 2), {"stride": (2, 1), "padding": (0, 1)}),
    ],
)
def test_conv2d(dtype, format, channels, out, kernel, options):
    groups = options.get("groups", 1)
    size = (kernel, kernel) if isinstance(kernel, int) else kernel
    x = make((2, channels, 11, 12), dtype).to(memory_format=format)
    w = make((out, channels // groups, *size), dtype, 1).to(memory_format=format)
    check(lambda x, w, b: F.conv2d(x, w, b, **options), x, w, make((out,), dtype, 2))
    check(lambda x, w: F.conv2d(x, w, **options), x, w)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": 2, "groups": 2},
        {"dilation": 2, "padding": 2},
        {"stride": 1, "dilation": 3, "output_padding": 2},
    ],
    ids=str,
)
def test_conv_transpose2d(dtype, options):
    groups = options.get("groups", 1)
    x, w = make((2, 6, 5, 7), dtype), make((6, 4, 3, 3), dtype, 1)
    bias = make((4 * groups,), dtype, 2)
    check(lambda x, w, b: F.conv_transpose2d(x, w, b, **options), x, w, bias)
    check(lambda x, w: F.conv_transpose2d(x, w, **options), x, w)
    last = torch.channels_last
    check(
        lambda x, w: F.conv_transpose2d(x, w, **options),
        x.to(memory_format=last), w.to(memory_format=last), strides=False,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1, "groups": 2}], ids=str)
def test_other_dimensions(dtype, dims, options):
    groups = options.get("groups", 1)
    x = make((2, 4, *(7, 6, 5)[:dims]), dtype)
    check(
        lambda x, w, b: CONV[dims](x, w, b, **options),
        x, make((6, 4 // groups, *[3] * dims), dtype, 1), make((6,), dtype, 2),
    )
    check(
        lambda x, w, b: TRANSPOSED[dims](x, w, b, **options),
        x, make((4, 3, *[3] * dims), dtype, 1), make((3 * groups,), dtype, 2),
    )
    if dims == 3:
        check(
            lambda x, w: F.conv3d(x, w, **options),
            x.to(memory_format=torch.channels_last_3d), make((6, 4 // groups, 3, 3, 3), dtype, 1),
        )


def test_layouts_of_operands():
    x, w = make((2, 8, 9, 9), torch.float32), make((8, 8, 3, 3), torch.float32, 1)
    check(lambda x, w: F.conv2d(x[:, :, ::2, 1:], w), x, w)
    check(lambda x, w: F.conv2d(x, w.transpose(0, 1)), x, w)
    check(lambda x, w: F.conv2d(x.transpose(2, 3), w.flip(3)), x, w)
    check(lambda x, w: F.conv2d(x[:1].expand(3, 8, 9, 9), w), x, w)
    check(lambda x, w: F.conv2d(x[0], w), x, w)
    check(lambda x, w: F.conv2d(x, w.to(memory_format=torch.channels_last)), x, w)
    check(lambda x, w: F.conv2d(x, w, padding="same"), x, w)


@pytest.mark.parametrize("needs", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)], ids=str)
def test_some_gradients(needs):
    tensors = [make((2, 4, 6, 6), f32), make((5, 4, 3, 3), f32, 1), make((5,), f32, 2)]

    def gradients(device):
        leaves = [t.detach().clone().to(device) for t in tensors]
        for leaf, needed in zip(leaves, needs, strict=True):
            leaf.requires_grad_(bool(needed))
        F.conv2d(*leaves).square().sum().backward()
        return [t.grad for t in leaves]

    for expected, actual in zip(gradients("cpu"), gradients("xpu_lite"), strict=True):
        assert (actual is None) == (expected is None)
        if expected is not None:
            torch.testing.assert_close(actual.cpu(), expected, rtol=1e-4, atol=1e-3)


def test_empty_batch_and_double_backward():
    check(lambda x, w: F.conv2d(x, w), make((0, 4, 6, 6), f32), make((5, 4, 3, 3), f32, 1))
    x = make((1, 2, 4, 4), torch.float64).to("xpu_lite").requires_grad_()
    w = make((2, 2, 3, 3), torch.float64, 1).to("xpu_lite").requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, w: F.conv2d(x, w, padding=1), (x, w))


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64], ids=str)
def test_other_types(dtype):
    x = (make((2, 4, 6, 6), f32) * 4).to(dtype)
    w = (make((5, 4, 3, 3), f32, 1) * 4).to(dtype)
    expected, actual = F.conv2d(x, w), F.conv2d(x.to("xpu_lite"), w.to("xpu_lite"))
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-4, atol=1e-3)


def test_changed_weights_are_seen():
    x = make((1, 16, 8, 8), torch.float32).to("xpu_lite")
    w = make((16, 16, 3, 3), torch.float32, 1).to("xpu_lite")
    with torch.no_grad():
        before = F.conv2d(x, w)
        w.mul_(2)
        torch.testing.assert_close(F.conv2d(x, w), before * 2)
        w.data.mul_(0.5)
        torch.testing.assert_close(F.conv2d(x, w), before)


def ones(device, *size):
    return torch.ones(size, device=device)


@pytest.mark.parametrize(
    "function",
    [
        lambda d: F.conv2d(ones(d, 1, 3, 5, 5), ones(d, 4, 2, 3, 3)),
        lambda d: F.conv2d(ones(d, 1, 2, 2, 2), ones(d, 4, 2, 3, 3)),
        lambda d: F.conv2d(ones(d, 1, 2, 5, 5), ones(d, 4, 2, 3, 3), ones(d, 5)),
        lambda d: F.conv2d(ones(d, 1, 2, 5, 5), ones(d, 4, 2, 3, 3), stride=0),
        lambda d: F.conv2d(ones(d, 1, 2, 5, 5), ones(d, 4, 2, 3, 3).double()),
        lambda d: F.conv2d(ones(d, 1, 2, 5, 5).half(), ones(d, 4, 2, 3, 3)),
        lambda d: F.conv_transpose2d(ones(d, 1, 2, 5, 5), ones(d, 2, 4, 3, 3).double()),
    ],
)
def test_errors_are_the_cpus(function):
    with pytest.raises(RuntimeError) as on_cpu:
        function("cpu")
    with pytest.raises(RuntimeError) as on_device:
        function("xpu_lite")
    assert str(on_device.value).splitlines()[0] == str(on_cpu.value).splitlines()[0]
