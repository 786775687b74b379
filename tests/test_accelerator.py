"""torch.accelerator, the device-agnostic API, all of it."""

import pytest
import torch

acc = torch.accelerator
xl = torch.xpu_lite


def test_identity():
    assert acc.is_available()
    assert acc.current_accelerator() == torch.device("xpu_lite")
    assert acc.current_accelerator(check_available=True).type == "xpu_lite"
    assert acc.device_count() == xl.device_count()


def test_current_device():
    assert acc.current_device_index() == xl.current_device() == 0
    acc.set_device_index(0)
    acc.set_device_index("xpu_lite:0")
    with acc.device_index(0):
        assert acc.current_device_index() == 0
    with acc.device_index(None):
        assert acc.current_device_index() == 0
    with pytest.raises((RuntimeError, ValueError)):
        acc.set_device_index(50)


def test_capability():
    capability = acc.get_device_capability()
    assert torch.float32 in capability["supported_dtypes"]
    assert torch.bfloat16 in capability["supported_dtypes"]


def test_streams():
    stream = torch.Stream("xpu_lite")
    assert acc.current_stream() == xl.current_stream()
    acc.set_stream(stream)
    assert acc.current_stream() == stream == xl.current_stream()
    acc.set_stream(xl.default_stream())
    assert torch.Stream().device.type == "xpu_lite"


def test_synchronize():
    side = xl.Stream()
    with xl.stream(side):
        xl._sleep(30_000_000)
    acc.synchronize()
    assert side.query()
    acc.synchronize("xpu_lite:0")


def test_events():
    start, end = torch.Event(enable_timing=True), torch.Event(enable_timing=True)
    start.record()
    torch.ones(1000, device="xpu_lite").sum()
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) >= 0


def test_memory():
    acc.reset_peak_memory_stats()
    before = acc.memory_allocated()
    x = torch.empty(2**20, device="xpu_lite")
    assert acc.memory_allocated() == xl.memory_allocated() >= before + 2**22
    assert acc.memory_reserved() == xl.memory_reserved()
    del x
    assert acc.max_memory_allocated() == xl.max_memory_allocated() >= before + 2**22
    assert acc.max_memory_reserved() == xl.max_memory_reserved()
    acc.reset_accumulated_memory_stats()
    assert acc.memory_stats()["allocation.all.allocated"] == 0
    acc.empty_cache()
    acc.empty_host_cache()
    free, total = acc.get_memory_info()
    assert 0 < free <= total == xl.mem_get_info()[1]


def test_statistics_agree_with_the_module():
    ours, generic = xl.memory_stats(), acc.memory_stats()
    assert generic
    for name, value in generic.items():
        if name in ours:
            assert ours[name] == value, name
    for name in ("allocated_bytes.all.current", "active.small_pool.peak", "num_ooms"):
        assert name in generic


def test_other_device_is_refused():
    with pytest.raises((RuntimeError, ValueError)):
        acc.set_device_index("cuda:0")
