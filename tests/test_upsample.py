"""Nearest-neighbour upsampling of images: the CPU's results, formats and gradients."""

import pytest
import torch
import torch.nn.functional as F

DEV = "xpu_lite"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.uint8])
@pytest.mark.parametrize("channels_last", [False, True])
def test_results_and_formats_are_the_cpus(dtype, channels_last):
    torch.manual_seed(0)
    for batch, channels, height, width in ((1, 1, 1, 1), (2, 3, 5, 7), (1, 40, 16, 9)):
        image = (torch.rand(batch, channels, height, width) * 200).to(dtype)
        if channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        for how in ({"scale_factor": 2}, {"scale_factor": (1.7, 3)}, {"size": (11, 2)},
                    {"size": (height, 2 * width)}, {"scale_factor": (2.5, 0.8),
                                                    "recompute_scale_factor": True}):
            if min(int(n) for n in F.interpolate(torch.empty(1, 1, 8, 8), **how).shape) < 1 or (
                    "size" not in how and width == 1):
                continue
            want = F.interpolate(image, **how)
            got = F.interpolate(image.to(DEV), **how)
            assert got.stride() == want.stride()
            assert torch.equal(got.cpu(), want), how


def test_gradients_and_other_inputs():
    image = torch.randn(2, 3, 6, 5)
    sides = []
    for device in ("cpu", DEV):
        leaf = image.to(device).detach().requires_grad_()
        F.interpolate(leaf[:, :, ::2].transpose(2, 3), scale_factor=2).square().sum().backward()
        sides.append(leaf.grad.cpu())
    torch.testing.assert_close(*sides)
    double = image.double()
    assert torch.equal(F.interpolate(double.to(DEV), scale_factor=3).cpu(),
                       F.interpolate(double, scale_factor=3))
    with pytest.raises(RuntimeError, match="greater than 0"):
        F.interpolate(image.to(DEV), size=(0, 4))


def test_on_a_side_stream():
    image = torch.randn(2, 3, 6, 5)
    there = image.to(DEV)
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        result = F.interpolate(there, scale_factor=2)
    torch.xpu_lite.synchronize()
    assert torch.equal(result.cpu(), F.interpolate(image, scale_factor=2))
