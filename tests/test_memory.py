"""The caching allocator as Python sees it: statistics, limits, snapshots."""

import gc
import pickle

import pytest
import torch

xl = torch.xpu_lite
MIB = 2**20


@pytest.fixture(autouse=True)
def _collected():
    gc.collect()
    xl.synchronize()


def test_allocation_is_counted():
    before = xl.memory_allocated()
    x = torch.empty(4 * MIB, dtype=torch.uint8, device="xpu_lite")
    assert xl.memory_allocated() - before >= 4 * MIB
    assert xl.memory_reserved() >= xl.memory_allocated()
    del x
    assert xl.memory_allocated() == before


def test_peaks():
    xl.reset_peak_memory_stats()
    before = xl.memory_allocated()
    x = torch.empty(8 * MIB, dtype=torch.uint8, device="xpu_lite")
    del x
    assert xl.max_memory_allocated() - before >= 8 * MIB
    assert xl.max_memory_reserved() >= xl.max_memory_allocated()
    xl.reset_peak_memory_stats()
    assert xl.max_memory_allocated() == xl.memory_allocated()


def test_freed_memory_is_used_again():
    x = torch.empty(3 * MIB, dtype=torch.uint8, device="xpu_lite")
    address = x.data_ptr()
    del x
    y = torch.empty(3 * MIB, dtype=torch.uint8, device="xpu_lite")
    assert y.data_ptr() == address


def test_empty_cache_gives_memory_back():
    x = torch.empty(64 * MIB, dtype=torch.uint8, device="xpu_lite")
    del x
    reserved = xl.memory_reserved()
    xl.empty_cache()
    assert xl.memory_reserved() <= reserved - 64 * MIB


def test_statistics_have_the_names_of_torch_cuda():
    stats = xl.memory_stats()
    for metric in (
        "allocation", "segment", "active", "inactive_split", "allocated_bytes",
        "reserved_bytes", "active_bytes", "inactive_split_bytes", "requested_bytes",
    ):
        for pool in ("all", "small_pool", "large_pool"):
            for field in ("current", "peak", "allocated", "freed"):
                assert isinstance(stats[f"{metric}.{pool}.{field}"], int)
    for counter in ("num_alloc_retries", "num_ooms", "num_sync_all_streams",
                    "num_device_alloc", "num_device_free", "max_split_size"):
        assert counter in stats
    for metric in ("oversize_allocations", "oversize_segments"):
        assert f"{metric}.peak" in stats
    assert list(stats) == sorted(stats)
    nested = xl.memory_stats_as_nested_dict()
    assert nested["allocated_bytes"]["all"]["current"] == xl.memory_allocated()


def test_pools_add_up():
    before = xl.memory_stats()
    keep = [torch.empty(n, device="xpu_lite") for n in (10, 1000, MIB)]
    stats = xl.memory_stats()
    for metric in ("allocation", "allocated_bytes", "reserved_bytes", "active_bytes"):
        for field in ("current", "allocated", "freed"):
            parts = sum(stats[f"{metric}.{p}_pool.{field}"] for p in ("small", "large"))
            assert parts == stats[f"{metric}.all.{field}"], (metric, field)
        # Since `before`: another test may have reset the accumulated numbers.
        current, allocated, freed = (
            stats[f"{metric}.all.{field}"] - before[f"{metric}.all.{field}"]
            for field in ("current", "allocated", "freed")
        )
        assert current == allocated - freed, metric
    assert stats["requested_bytes.all.current"] <= stats["allocated_bytes.all.current"]
    del keep


def test_accumulated_statistics_reset():
    torch.empty(10, device="xpu_lite")
    xl.reset_accumulated_memory_stats()
    stats = xl.memory_stats()
    assert stats["allocation.all.allocated"] == 0 and stats["allocation.all.freed"] == 0
    x = torch.empty(10, device="xpu_lite")
    assert xl.memory_stats()["allocation.all.allocated"] == 1
    del x


def test_summary():
    text = xl.memory_summary()
    assert "device 0" in text and "from large pool" in text and "Reserved memory" in text
    assert "from large pool" not in xl.memory_summary(abbreviated=True)


def test_snapshot(tmp_path):
    x = torch.empty(2 * MIB + 17, dtype=torch.uint8, device="xpu_lite")
    segments = xl.memory_snapshot()
    blocks = [b for s in segments for b in s["blocks"] if b["address"] == x.data_ptr()]
    assert len(blocks) == 1
    assert blocks[0]["state"] == "active_allocated"
    assert blocks[0]["requested_size"] == 2 * MIB + 17
    for segment in segments:
        assert sum(b["size"] for b in segment["blocks"]) == segment["total_size"]
    assert sum(s["total_size"] for s in segments if s["device"] == 0) == xl.memory_reserved()
    assert sum(s["allocated_size"] for s in segments if s["device"] == 0) == xl.memory_allocated()
    path = tmp_path / "snapshot.pickle"
    torch.xpu_lite.memory._dump_snapshot(str(path))
    with open(path, "rb") as file:
        assert pickle.load(file)["segments"]


def test_memory_info():
    free, total = xl.mem_get_info()
    assert 0 < free <= total == xl.get_device_properties().total_memory
    assert xl.device_memory_used() > 0


def test_limit_by_fraction(unlimited_memory):
    xl.empty_cache()
    total = xl.mem_get_info()[1]
    xl.set_per_process_memory_fraction((xl.memory_reserved() + 64 * MIB) / total)
    small = torch.ones(MIB, device="xpu_lite")
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(256 * MIB, dtype=torch.uint8, device="xpu_lite")
    text = str(caught.value)
    assert "256" in text  # what was asked for
    assert small.sum().item() == MIB  # the device works
    assert xl.memory_stats()["num_ooms"] >= 1
    xl.set_per_process_memory_fraction(1.0)
    assert torch.empty(256 * MIB, dtype=torch.uint8, device="xpu_lite").numel() == 256 * MIB


def test_limit_is_met_by_freeing_the_cache(unlimited_memory):
    xl.empty_cache()
    total = xl.mem_get_info()[1]
    xl.set_per_process_memory_fraction((xl.memory_reserved() + 100 * MIB) / total)
    for size in (70, 80, 90):  # each fits only when the one before is given back
        x = torch.empty(size * MIB, dtype=torch.uint8, device="xpu_lite")
        del x


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_fraction_out_of_range(bad):
    with pytest.raises(ValueError, match="fraction"):
        xl.set_per_process_memory_fraction(bad)


def test_fraction_of_another_type():
    with pytest.raises(TypeError):
        xl.set_per_process_memory_fraction("half")


def test_fraction_is_kept(unlimited_memory):
    xl.set_per_process_memory_fraction(0.5)
    assert xl.get_per_process_memory_fraction() == 0.5
    assert xl.memory_limit() <= xl.mem_get_info()[1] // 2 + 1


def test_more_than_the_machine_has():
    total = xl.mem_get_info()[1]
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(total * 8, dtype=torch.uint8, device="xpu_lite")
    with pytest.raises(RuntimeError):
        torch.empty(2**62, device="xpu_lite")
    assert torch.ones(3, device="xpu_lite").sum().item() == 3


def test_raw_blocks():
    before = xl.memory_allocated()
    address = xl.caching_allocator_alloc(1000)
    assert address % 64 == 0 and xl.memory_allocated() > before
    assert xl._C._device_of_pointer(address) == 0
    xl.caching_allocator_delete(address)
    assert xl.memory_allocated() == before
    with pytest.raises(ValueError, match=str(address)):
        xl.caching_allocator_delete(address)
    xl.caching_allocator_delete(0)


def test_no_leak_over_many_steps():
    model = torch.nn.Linear(64, 64).to("xpu_lite")
    x = torch.randn(8, 64, device="xpu_lite")

    def step():
        model.zero_grad(set_to_none=True)
        model(x).square().mean().backward()

    for _ in range(5):
        step()
    gc.collect()
    allocated, reserved = xl.memory_allocated(), xl.memory_reserved()
    for _ in range(200):
        step()
    gc.collect()
    assert xl.memory_allocated() == allocated
    assert xl.memory_reserved() == reserved


def test_empty_tensors_take_nothing():
    before = xl.memory_allocated()
    x = torch.empty(0, 5, device="xpu_lite")
    assert x.data_ptr() == 0 and xl.memory_allocated() == before


def test_pinned_memory():
    x = torch.arange(1000.0).pin_memory()
    assert x.is_pinned() and not torch.arange(3).is_pinned()
    y = x.to("xpu_lite", non_blocking=True)
    assert torch.equal(y.cpu(), x)
    assert torch.empty(10, pin_memory=True).is_pinned()
    stats = xl.host_memory_stats()
    assert stats["allocated_bytes.current"] >= 4000
    assert stats["active_requests.current"] >= 1
    xl.reset_peak_host_memory_stats()
    xl.reset_accumulated_host_memory_stats()
    xl.empty_host_cache()


def test_pinned_memory_copied_to():
    x = torch.arange(1000.0, device="xpu_lite")
    host = torch.empty(1000, pin_memory=True)
    host.copy_(x, non_blocking=True)
    xl.synchronize()
    assert torch.equal(host, torch.arange(1000.0))


def test_ipc_collect_is_harmless():
    xl.ipc_collect()


def test_deprecated_names_warn():
    with pytest.warns(FutureWarning):
        assert xl.memory_cached() == xl.memory_reserved()
    with pytest.warns(FutureWarning):
        assert xl.max_memory_cached() == xl.max_memory_reserved()
    xl.reset_max_memory_allocated()
