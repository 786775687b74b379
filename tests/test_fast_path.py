"""The short ways of common operators: as torch on the CPU, to the bit where that is defined."""

import itertools

import pytest
import torch

SPECIAL = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-40, 65504.0, 1.5, -2.25, 3.3]
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def same_bits(actual, expected):
    """dtype, shape, strides, values, signs of zeros; any NaN is as good as another."""
    assert (actual.dtype, actual.shape, actual.stride()) == (
        expected.dtype, expected.shape, expected.stride())
    actual = actual.cpu()
    assert torch.equal(actual.isnan(), expected.isnan())
    number = ~expected.isnan()
    assert torch.equal(actual[number], expected[number])
    if expected.dtype.is_floating_point:
        assert torch.equal(torch.signbit(actual[number]), torch.signbit(expected[number]))


def run(call, *tensors):
    """The result, or the error's type and text without the device's name."""
    try:
        return call(*tensors)
    except RuntimeError as error:
        return type(error), str(error).splitlines()[0].replace("xpu_lite:0", "cpu")


def compare(device, call, *tensors):
    expected = run(call, *[t.clone() for t in tensors])
    actual = run(call, *[t.to(device) for t in tensors])
    if isinstance(expected, tuple):
        assert actual == expected
    else:
        same_bits(actual, expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", [1, 10, 70])
def test_special_values(device, dtype, count):
    a = torch.tensor(list(itertools.islice(itertools.cycle(SPECIAL), count)), dtype=dtype)
    b = a.flip(0)
    for call in (torch.add, torch.sub, torch.mul, torch.div):
        compare(device, call, a, b)
        compare(device, lambda x, y, call=call: getattr(x, call.__name__ + "_")(y), a, b)
    for call in (torch.relu, torch.neg, torch.relu_):
        compare(device, call, a)


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int64])
@pytest.mark.parametrize("number", [0, 3, -0.0, 3.3, 0.1, 1e300, 1e-46, 2**40, 2**62, True,
                                    float("inf"), float("nan")])
def test_numbers(device, dtype, number):
    a = torch.arange(-8, 9).to(dtype)
    for call in (torch.add, torch.sub, torch.mul, torch.div):
        compare(device, lambda x, call=call: call(x, number), a)
        compare(device, lambda x, call=call: getattr(x, call.__name__ + "_")(number), a)


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int64])
@pytest.mark.parametrize("alpha", [0, 1, 2, -1, 2.0, True, 1j, 2**17, 2**40, 2**62, 1e39])
def test_alpha(device, dtype, alpha):
    a = torch.arange(-8, 9).to(dtype)
    for call in (torch.add, torch.sub):
        compare(device, lambda x, y, call=call: call(x, y, alpha=alpha), a, a.flip(0))
        compare(device, lambda x, call=call: call(x, 3, alpha=alpha), a)


@pytest.mark.parametrize("strides", [(1, 2), (1, 1), (7, 1), (1, 100)])
def test_strides_of_dimensions_of_one(device, strides):
    for shape in ((3, 1), (1, 3)):
        a = torch.empty(400).as_strided(shape, strides).fill_(2)
        b = torch.empty(400, device=device).as_strided(shape, strides).fill_(2)
        for call in (lambda t: t + 1, lambda t: t * 0.5, lambda t: t + t, torch.relu, torch.neg):
            same_bits(call(b), call(a))


def test_product_of_sizes_that_overflows(device):
    a = torch.ones(1, 1, device=device).expand(2**33, 1)
    b = torch.ones(1, 1, device=device).expand(1, 2**31)
    with pytest.raises(RuntimeError):
        torch.mm(a, b)
