"""torch.ops.xpu_lite.linear: a linear layer with what follows it, equal to the plain operators."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from engine import host_only

DEV = "xpu_lite"
linear = torch.ops.xpu_lite.linear
ACTIVATIONS = {"none": lambda x: x, "relu": F.relu, "gelu": F.gelu,
               "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3}


def plain(x, w, b=None, activation="none", add=None, add_first=False, mul=None):
    """In float64, from the operands as they are."""
    x, w, b, add, mul = (t if t is None else t.double() for t in (x, w, b, add, mul))
    y = F.linear(x, w, b)
    if add is not None and add_first:
        y = y + add
    y = ACTIVATIONS[activation](y)
    if mul is not None:
        y = y * mul
    if add is not None and not add_first:
        y = y + add
    return y


def close(result, expected, dtype):
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(result.double().cpu(), expected, rtol=tolerance,
                               atol=tolerance * max(1.0, expected.abs().max().item()))


def to(device, *tensors):
    return [t if t is None else t.to(device) for t in tensors]


@pytest.mark.parametrize("device", [DEV, "cpu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_every_tail(dtype, device):
    torch.manual_seed(1)
    x, w = torch.randn(3, 5, 72).to(dtype), (torch.randn(70, 72) / 8).to(dtype)
    b, r, g = (torch.randn(*s).to(dtype) for s in ((70,), (3, 5, 70), (3, 5, 70)))
    for activation, bias, add, first, mul in itertools.product(
            ACTIVATIONS, (None, b), (None, r), (False, True), (None, g)):
        if first and add is None:
            continue
        args = dict(activation=activation, add_first=first)
        result = linear(*to(device, x, w, bias), add=add if add is None else add.to(device),
                        mul=mul if mul is None else mul.to(device), **args)
        assert result.dtype == dtype and result.shape == (3, 5, 70) and result.device.type == device
        close(result, plain(x, w, bias, add=add, mul=mul, **args), dtype)


@pytest.mark.parametrize("shape", [(64,), (1, 64), (0, 64), (2, 0, 64), (2, 3, 4, 64), (300, 64)])
def test_leading_dimensions(shape):
    x, w, b = torch.randn(shape), torch.randn(33, 64) / 8, torch.randn(33)
    result = linear(*to(DEV, x, w, b), activation="gelu")
    assert result.shape == F.linear(x, w, b).shape
    close(result, plain(x, w, b, "gelu"), torch.float32) if result.numel() else None


def test_strides_of_all_operands():
    torch.manual_seed(2)
    x = torch.randn(6, 4, 64).transpose(0, 1)        # rows of no single distance
    w = torch.randn(64, 48).t()
    b = torch.randn(96)[::2]
    r = torch.randn(6, 48, 4).permute(2, 0, 1)
    for x_ in (x, torch.randn(4, 6, 128)[..., 64:], torch.randn(4, 1, 64).expand(4, 6, 64),
               torch.randn(4, 6, 128)[..., ::2]):
        result = linear(*to(DEV, x_, w, b), add=r.to(DEV), mul=torch.tensor(0.5, device=DEV))
        close(result, plain(x_, w, b, add=r, mul=torch.tensor(0.5)), torch.float32)


@pytest.mark.parametrize("shape", [(40,), (1,), (7, 1), (7, 40), (2, 1, 40), (2, 7, 40)])
def test_add_and_mul_broadcast(shape):
    x, w, r = torch.randn(2, 7, 32), torch.randn(40, 32), torch.randn(shape)
    result = linear(*to(DEV, x, w), add=r.to(DEV), mul=r.to(DEV))
    close(result, plain(x, w, add=r, mul=r), torch.float32)


def test_result_dtype_is_that_of_the_plain_operators():
    x, w = torch.randn(4, 32).bfloat16(), torch.randn(40, 32).bfloat16()
    r = torch.randn(4, 40)
    result = linear(*to(DEV, x, w), add=r.to(DEV))
    assert result.dtype == torch.float32  # bfloat16 + float32
    close(result, plain(x, w, add=r), torch.float32)


def test_weight_written_between_calls():
    x, layer = torch.randn(16, 64), torch.nn.Linear(64, 96).requires_grad_(False).to(DEV)
    there = x.to(DEV)
    for step in range(5):
        for _ in range(3):
            result = linear(there, layer.weight, layer.bias, activation="relu")
        close(result, plain(x, layer.weight.cpu(), layer.bias.cpu(), "relu"), torch.float32)
        layer.weight.data.add_(0.1)


@host_only("the host engine packs weights for its own kernel")
def test_takes_the_projects_gemm():
    torch.xpu_lite.clear_packed_weights()
    x, w = torch.randn(8, 256, device=DEV), torch.randn(256, 256, device=DEV)
    before = torch.xpu_lite.packing_stats()["packed"]["hits"]
    for _ in range(4):
        linear(x, w, activation="silu")
    assert torch.xpu_lite.packing_stats()["packed"]["hits"] - before == 2
    assert torch.equal(linear(x, w), F.linear(x, w))  # one form and one kernel for both


def test_autocast():
    x, w, b, r = torch.randn(8, 64), torch.randn(48, 64), torch.randn(48), torch.randn(8, 48)
    with torch.no_grad(), torch.autocast(DEV):
        result = linear(*to(DEV, x, w, b), activation="gelu")
        added = linear(*to(DEV, x, w, b), add=r.to(DEV))
    assert result.dtype == torch.bfloat16 and added.dtype == torch.float32
    close(result, plain(x, w, b, "gelu"), torch.bfloat16)
    close(added, plain(x, w, b, add=r), torch.bfloat16)


def test_gradients_are_those_of_the_plain_operators():
    torch.manual_seed(3)
    given = [torch.randn(*s) for s in ((5, 32), (40, 32), (40,), (5, 40), (5, 40))]
    gradients = []
    for device in ("cpu", DEV):
        x, w, b, r, g = (t.detach().to(device).requires_grad_() for t in given)
        if device == "cpu":
            y = F.gelu(F.linear(x, w, b) + r) * g
        else:
            y = linear(x, w, b, activation="gelu", add=r, add_first=True, mul=g)
        y.square().sum().backward()
        gradients.append([t.grad.cpu() for t in (x, w, b, r, g)])
    for own, expected in zip(*gradients):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-4)


def test_on_another_stream():
    stream = torch.Stream(DEV)
    x, w, b = torch.randn(64, 128), torch.randn(128, 128), torch.randn(128)
    there = to(DEV, x, w, b)
    torch.accelerator.synchronize()
    with stream:
        result = linear(*there, activation="relu", add=there[2])
    stream.synchronize()
    close(result, plain(x, w, b, "relu", add=b), torch.float32)


def test_fake_tensors_and_meta():
    from torch._subclasses.fake_tensor import FakeTensorMode

    x = torch.empty(2, 3, 8, device="meta", dtype=torch.bfloat16)
    w = torch.empty(5, 8, device="meta", dtype=torch.bfloat16)
    result = linear(x, w, add=torch.empty(5, device="meta"))
    assert result.shape == (2, 3, 5) and result.dtype == torch.float32
    with FakeTensorMode():
        result = linear(torch.empty(2, 8, device=DEV), torch.empty(5, 8, device=DEV))
        assert result.shape == (2, 5) and result.device.type == DEV


@pytest.mark.parametrize("change,words", [
    (dict(activation="tanh"), "activation must be .*got 'tanh'"),
    (dict(x=torch.randn(4, 31)), r"input of shape \[4, 31\] does not fit a weight of 32"),
    (dict(x=torch.randn(4, 32).half()), "must have one dtype, got Half, Float"),
    (dict(w=torch.randn(32)), r"weight must be \[out_features, in_features\], got \[32\]"),
    (dict(b=torch.randn(39)), r"bias must have shape \[40\], got \[39\]"),
    (dict(add=torch.randn(3, 40)), r"add of shape \[3, 40\] does not broadcast .*\[4, 40\]"),
    (dict(mul=torch.ones(4, 40, dtype=torch.int64)), "mul must be of a floating-point dtype"),
])
def test_errors_name_operator_argument_and_values(change, words):
    given = dict(x=torch.randn(4, 32), w=torch.randn(40, 32), b=torch.randn(40)) | change
    x, w, b = (given.pop(name).to(DEV) for name in "xwb")
    given = {k: v.to(DEV) if torch.is_tensor(v) else v for k, v in given.items()}
    with pytest.raises((RuntimeError, ValueError), match=r"\[xpu_lite::linear\] .*" + words):
        linear(x, w, b, **given)


def test_operands_on_different_devices():
    with pytest.raises(RuntimeError, match="input is on xpu_lite:0 but weight is on cpu"):
        linear(torch.randn(4, 32, device=DEV), torch.randn(40, 32))
