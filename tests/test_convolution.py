"""Convolutions with packed filters: the CPU's results, memory formats, never stale, and
xpu_lite::convolution with what follows.

The kernel itself is tested without torch in tests/cpp/kernels_convolution.cpp.
"""

import pytest
import torch
import torch.nn.functional as F
from engine import host_only

DEV = "xpu_lite"
x = torch.xpu_lite
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
fused = torch.ops.xpu_lite.convolution


@pytest.fixture(autouse=True)
def nothing_kept():
    x.clear_packed_weights()
    yield
    x.clear_packed_weights()


def operands(shape=(2, 32, 12, 10), out=40, size=3, dtype=torch.float32, groups=1):
    torch.manual_seed(0)
    return (torch.randn(shape).to(dtype),
            (torch.randn(out, shape[1] // groups, size, size) / (shape[1] * size * size) ** 0.5)
            .to(dtype), torch.randn(out).to(dtype))


def close(device_result, reference, dtype):
    tolerance = {torch.float32: 2e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}[dtype]
    assert device_result.dtype == dtype
    torch.testing.assert_close(device_result.cpu().double(), reference, rtol=tolerance,
                               atol=tolerance)


# stride, padding, dilation, groups, kernel size: the last ones are torch's own kernels.
WINDOWS = [(1, 0, 1, 1, 1), (2, 0, 1, 1, 1), (1, 1, 1, 1, 3), (2, 1, 1, 1, 3), (2, 3, 1, 1, 7),
           ((2, 1), (0, 2), 2, 1, 3), (1, "same", 1, 1, 3), (1, 1, 1, 4, 3), (1, 1, 1, 32, 3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_results_and_formats_are_the_cpus(dtype, channels_last, window):
    stride, padding, dilation, groups, size = window
    out = 64 if groups == 32 else 40
    image, weight, bias = operands(out=out, size=size, dtype=dtype, groups=groups)
    arguments = (stride, padding, dilation, groups)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    reference = F.conv2d(image.double(), weight.double(), bias.double(), *arguments)
    like = F.conv2d(image.float(), weight.float(), bias.float(), *arguments)
    image, weight, bias = image.to(DEV), weight.to(DEV), bias.to(DEV)
    for given in (bias, bias, None):  # made for one call, then kept
        result = F.conv2d(image, weight, given, *arguments)
        assert result.stride() == like.stride()
        close(result + (bias.view(-1, 1, 1) if given is None else 0), reference, dtype)


@pytest.mark.parametrize("make", [
    lambda c: torch.nn.Conv1d(16, 32, 5, padding=2), lambda c: torch.nn.Conv3d(16, 20, 3),
    lambda c: torch.nn.ConvTranspose2d(16, 20, 3, stride=2)], ids=["1d", "3d", "transposed"])
def test_other_convolutions(make):
    module = make(None)
    sizes = {3: (2, 16, 40), 4: (2, 16, 9, 9), 5: (1, 16, 6, 7, 8)}[module.weight.dim()]
    data = torch.randn(sizes)
    want = module(data)
    torch.testing.assert_close(module.to(DEV)(data.to(DEV)).cpu(), want, rtol=1e-4, atol=1e-5)


def test_gradients_are_the_cpus():
    for channels_last in (False, True):
        for stride, padding, size in ((1, 1, 3), (2, 1, 3), (1, 0, 1), (2, 0, 1), (1, 2, 3)):
            image, weight, bias = operands(size=size)
            if channels_last:
                image = image.contiguous(memory_format=torch.channels_last)
            sides = []
            for device in ("cpu", DEV):
                leaves = [t.to(device).detach().requires_grad_() for t in (image, weight, bias)]
                result = F.conv2d(*leaves, stride, padding)
                result.square().sum().backward()
                sides.append([t.grad.cpu() for t in leaves])
            for want, got in zip(*sides, strict=True):
                torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-3)


# batch, channels, height, width, outputs, kernel, stride, padding, dilation: of both layouts the
# engine's kernels; then what torch's make; rows of odd lengths; the smallest.
GRADIENTS = [(2, 40, 14, 11, 48, 3, 1, 1, 1), (2, 64, 7, 7, 33, 1, 1, 0, 1),
             (1, 24, 15, 13, 40, 3, 2, 1, 1), (2, 16, 12, 12, 32, 1, 2, 0, 1),
             (1, 30, 20, 9, 34, (1, 5), 1, (0, 4), 2), (2, 6, 12, 12, 8, 3, 1, 1, 1)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("case", GRADIENTS, ids=str)
def test_gradients_of_filters(dtype, channels_last, case):
    batch, channels, height, width, outputs, kernel, stride, padding, dilation = case
    torch.manual_seed(1)
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    image = torch.randn(batch, channels, height, width).to(dtype)
    weight = (torch.randn(outputs, channels, *kernel) / 8).to(dtype)
    bias = torch.randn(outputs).to(dtype)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
    want = [t.double().requires_grad_() for t in (image, weight, bias)]
    result = F.conv2d(*want, stride, padding, dilation)
    factor = torch.randn(result.shape).to(dtype)
    result.backward(factor.double())
    leaves = [t.to(DEV).requires_grad_() for t in (image, weight, bias)]
    result = F.conv2d(*leaves, stride, padding, dilation)
    result.backward(factor.to(DEV))
    for leaf, other in zip(leaves, want, strict=True):
        if 1 not in leaf.shape:  # whose strides mean nothing
            assert leaf.grad.stride() == leaf.stride()
        scale = other.grad.abs().max().item()  # sums of many terms
        torch.testing.assert_close(leaf.grad.cpu().double() / scale, other.grad / scale, rtol=0,
                                   atol={torch.float32: 2e-6, torch.bfloat16: 8e-3,
                                         torch.float16: 1e-3}[dtype])


def test_gradients_that_are_no_plain_tensors():
    image, weight, _ = operands(out=48)
    for make in (lambda t: t.sum(), lambda t: t[:, ::2].square().sum(),
                 lambda t: t.transpose(2, 3).contiguous().square().sum()):
        sides = []
        for device in ("cpu", DEV):
            leaves = [t.to(device).detach().requires_grad_() for t in (image, weight)]
            make(F.conv2d(*leaves, padding=1)).backward()
            sides.append([t.grad.cpu() for t in leaves])
        for want, got in zip(*sides, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-3)


@host_only("the host engine keeps packed weights")
def test_a_filter_is_kept_and_never_stale():
    image, weight, _ = operands(out=64)
    device_image, device_weight = image.to(DEV), weight.to(DEV)
    before = x.packing_stats()["packed"]
    results = [F.conv2d(device_image, device_weight, padding=1) for _ in range(4)]
    after = x.packing_stats()["packed"]
    assert after["made"] - before["made"] == 1 and after["hits"] - before["hits"] == 2
    assert all(torch.equal(results[0], r) for r in results[1:])
    writes = [lambda w: w.mul_(2), lambda w: w.data.add_(1), lambda w: w[3].zero_(),
              lambda w: w.view(-1)[::7].fill_(1), lambda w: w.copy_(torch.flip(w, (0,))),
              lambda w: w.set_(w * 3), lambda w: torch.nn.init.normal_(w)]
    for write in writes:
        write(device_weight)
        for _ in range(3):
            got = F.conv2d(device_image, device_weight, padding=1)
            want = F.conv2d(image, device_weight.cpu(), padding=1)
            torch.testing.assert_close(got.cpu(), want, rtol=1e-4, atol=1e-3)


# Winograd's method, where the processor and XPU_LITE_WINOGRAD allow it: enough tiles of 4x4.
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 2, (2, 1)], ids=str)
def test_many_pixels_and_channels(channels_last, padding):
    image, weight, bias = operands((2, 64, 30, 26), out=80)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    device_image, device_weight, device_bias = (t.to(DEV) for t in (image, weight, bias))
    add = torch.randn(F.conv2d(image, weight, bias, 1, padding).shape)
    for change in (lambda w: w, lambda w: w.mul_(2), lambda w: w[3].zero_(),
                   lambda w: w.copy_(torch.flip(w, (0,)))):
        change(device_weight), change(weight)
        reference = F.conv2d(image.double(), weight.double(), bias.double(), 1, padding)
        for _ in range(3):  # made for one call, then kept
            got = F.conv2d(device_image, device_weight, device_bias, 1, padding)
            close(got, reference, torch.float32)
        assert torch.equal(got, F.conv2d(device_image, device_weight, device_bias, 1, padding))
    pads = [padding, padding] if isinstance(padding, int) else list(padding)
    got = fused(device_image, device_weight, device_bias, [1, 1], pads, [1, 1], 1,
                activation="relu", add=add.to(DEV))
    close(got, (reference + add.double()).relu(), torch.float32)


@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_of_many_pixels(channels_last):
    image, weight, bias = operands((4, 64, 32, 32), out=64)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    sides = []
    for device, dtype in (("cpu", torch.float64), (DEV, torch.float32)):
        leaves = [t.to(device, dtype).requires_grad_() for t in (image, weight, bias)]
        out = F.conv2d(*leaves, padding=1)
        out.square().mean().backward()
        sides.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for want, got in zip(*sides):
        torch.testing.assert_close(got.cpu().double(), want, rtol=1e-4, atol=2e-5)


# A filter that Winograd's method keeps has 36 points, the direct sum's has 9 taps.
@host_only("the host engine keeps packed weights")
@pytest.mark.skipif(x.get_device_properties(0).isa in ("baseline", "avx2"),
                    reason="Winograd's method needs AVX-512")
@pytest.mark.parametrize("channels_last", [False, True])
def test_winograd_where_it_is_faster(channels_last):
    def kept(channels, size, stride=1):
        image, weight = torch.randn(2, channels, size, size), torch.randn(64, channels, 3, 3)
        if channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        image, weight = image.to(DEV), weight.to(DEV)
        x.clear_packed_weights()
        for _ in range(3):
            F.conv2d(image, weight, None, stride, 1)
        return x.packing_stats()["packed"]["bytes"] // (4 * 64 * channels)

    assert kept(64, 56) == 36
    assert kept(64, 56, stride=2) == 9 and kept(64, 7) == 9 and kept(32, 56) == 9


@host_only("the host engine keeps casts of weights")
def test_under_autocast():
    image, weight, bias = operands()
    want = F.conv2d(image, weight, bias, padding=1).double()
    module = torch.nn.Conv2d(32, 40, 3, padding=1).to(DEV)
    with torch.no_grad():
        module.weight.copy_(weight)
        module.bias.copy_(bias)
    with torch.no_grad(), torch.autocast(DEV, torch.bfloat16):
        for _ in range(3):
            result = module(image.to(DEV))
            assert result.dtype == torch.bfloat16
            torch.testing.assert_close(result.cpu().double(), want, rtol=3e-2, atol=3e-2)


ACTIVATIONS = {"none": lambda t: t, "relu": torch.relu, "gelu": F.gelu, "silu": F.silu,
               "gelu_tanh": lambda t: F.gelu(t, approximate="tanh")}


@pytest.mark.parametrize("device", ["cpu", DEV])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fused(device, dtype, activation):
    for window in WINDOWS[:6] + WINDOWS[7:]:
        stride, padding, dilation, groups, size = window
        pair = [n if isinstance(n, tuple) else (n, n) for n in (stride, padding, dilation)]
        image, weight, bias = operands(out=64, size=size, dtype=dtype, groups=groups)
        plain = F.conv2d(image.double(), weight.double(), bias.double(), stride, padding, dilation,
                         groups)
        add = torch.randn(plain.shape).to(dtype)
        for added, last in ((None, True), (add, True), (add, False)):
            if added is not None and last:
                added = added.contiguous(memory_format=torch.channels_last)
            want = ACTIVATIONS[activation](plain + (0 if added is None else added.double()))
            result = fused(image.to(device), weight.to(device), bias.to(device), *pair, groups,
                           activation=activation,
                           add=None if added is None else added.to(device))
            assert result.is_contiguous(memory_format=torch.channels_last)
            tolerance = 2e-5 if dtype == torch.float32 else 3e-2
            torch.testing.assert_close(result.cpu().double(), want, rtol=tolerance,
                                       atol=tolerance)


def test_fused_on_meta_and_with_gradients():
    image, weight, bias = operands()
    shape = fused(*(t.to("meta") for t in (image, weight, bias)), (2, 2), (1, 1), (1, 1), 1,
                  activation="relu")
    assert shape.shape == (2, 40, 6, 5) and shape.device.type == "meta"
    assert shape.is_contiguous(memory_format=torch.channels_last)
    leaves = [t.to(DEV).requires_grad_() for t in (image, weight, bias)]
    fused(*leaves, (1, 1), (1, 1), (1, 1), 1, activation="relu").sum().backward()
    want = [t.clone().requires_grad_() for t in (image, weight, bias)]
    torch.relu(F.conv2d(*want, padding=1)).sum().backward()
    for leaf, other in zip(leaves, want, strict=True):
        torch.testing.assert_close(leaf.grad.cpu(), other.grad, rtol=1e-4, atol=1e-4)


def test_fused_adds_in_the_wider_type():
    image, weight, bias = (t.to(DEV) for t in operands(dtype=torch.bfloat16))
    add = torch.randn(2, 40, 12, 10, device=DEV)
    result = fused(image, weight, bias, (1, 1), (1, 1), (1, 1), 1, add=add)
    assert result.dtype == torch.float32
    want = F.conv2d(image.cpu().float(), weight.cpu().float(), bias.cpu().float(), padding=1)
    torch.testing.assert_close(result.cpu(), want + add.cpu(), rtol=2e-2, atol=2e-2)


def test_bad_input_is_named():
    image, weight, bias = (t.to(DEV) for t in operands())
    with pytest.raises(ValueError, match="activation must be .*got 'tanh'"):
        fused(image, weight, bias, (1, 1), (1, 1), (1, 1), 1, activation="tanh")
    with pytest.raises(RuntimeError, match="channels"):
        F.conv2d(image[:, :5].contiguous(), weight)
    with pytest.raises(RuntimeError, match="size"):
        F.conv2d(image[:, :, :2].contiguous(), weight)


@host_only("streams of the host engine")
def test_on_a_side_stream():
    image, weight, bias = operands()
    want = F.conv2d(image, weight, bias, padding=1)
    image, weight, bias = (t.to(DEV) for t in (image, weight, bias))
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        plain = F.conv2d(image, weight, bias, padding=1)
        joined = fused(image, weight, bias, (1, 1), (1, 1), (1, 1), 1)
    torch.xpu_lite.synchronize()
    torch.testing.assert_close(plain.cpu(), want, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(joined.cpu(), want, rtol=1e-4, atol=1e-4)
