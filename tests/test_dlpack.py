"""DLPack in both directions: the memory is shared, never copied."""

import numpy as np
import pytest
import torch
from torch.utils.dlpack import DLDeviceType, from_dlpack, to_dlpack


def test_device():
    x = torch.ones(3, device="xpu_lite")
    assert x.__dlpack_device__() == (DLDeviceType.kDLExtDev, 0)
    assert torch.ones(3).__dlpack_device__() == (DLDeviceType.kDLCPU, 0)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64],
    ids=str,
)
def test_round_trip_shares_memory(dtype):
    x = torch.arange(6).reshape(2, 3).to(dtype).to("xpu_lite")
    y = torch.from_dlpack(x)
    assert y.device == x.device and y.dtype == dtype and y.data_ptr() == x.data_ptr()
    y.zero_()
    assert not x.cpu().any()


def test_capsule():
    x = torch.arange(4.0, device="xpu_lite")
    y = from_dlpack(to_dlpack(x))
    assert y.is_xpu_lite and y.data_ptr() == x.data_ptr()


def test_views_keep_strides():
    x = torch.arange(12.0, device="xpu_lite").reshape(3, 4).t()[1:]
    y = torch.from_dlpack(x)
    assert y.stride() == x.stride() and torch.equal(y, x)


def test_memory_lives_as_long_as_the_importer():
    x = torch.full((1000,), 7.0, device="xpu_lite")
    y = torch.from_dlpack(x)
    del x
    other = torch.zeros(1000, device="xpu_lite")
    assert y.cpu().sum().item() == 7000 and other.sum().item() == 0


def test_numpy_sees_device_memory():
    x = torch.arange(5.0, device="xpu_lite")
    array = np.from_dlpack(x, device="cpu")
    assert array.tolist() == [0, 1, 2, 3, 4]
    x.add_(1)
    torch.xpu_lite.synchronize()
    assert array.tolist() == [1, 2, 3, 4, 5]


def test_numpy_waits_for_queued_work():
    x = torch.zeros(5, device="xpu_lite")
    side = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(side):
        torch.xpu_lite._sleep(30_000_000)
        x.add_(1)
    assert np.from_dlpack(x, device="cpu").tolist() == [1] * 5


def test_numpy_may_ask_for_a_copy():
    x = torch.arange(5.0, device="xpu_lite")
    array = np.from_dlpack(x, device="cpu", copy=True)
    x.zero_()
    assert array.tolist() == [0, 1, 2, 3, 4]


def test_from_numpy():
    array = np.arange(6.0).reshape(2, 3)
    x = torch.from_dlpack(array).to("xpu_lite")
    assert x.is_xpu_lite and torch.equal(x.cpu(), torch.from_numpy(array))


def test_from_dlpack_to_the_device():
    x = torch.from_dlpack(torch.arange(3.0), device="xpu_lite")
    assert x.is_xpu_lite and x.cpu().tolist() == [0, 1, 2]
    y = torch.from_dlpack(x, device="cpu")
    assert y.device.type == "cpu" and y.tolist() == [0, 1, 2]


def test_copy_requested():
    x = torch.arange(3.0, device="xpu_lite")
    y = torch.from_dlpack(x, copy=True)
    assert y.is_xpu_lite and y.data_ptr() != x.data_ptr() and torch.equal(x, y)


def test_what_cannot_be_exported():
    with pytest.raises(BufferError, match="gradient"):
        torch.ones(2, device="xpu_lite", requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="gradient"):
        torch.ones(2, device="xpu_lite", requires_grad=True).__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError, match="conj"):
        torch.ones(2, dtype=torch.complex64, device="xpu_lite").conj().__dlpack__()
