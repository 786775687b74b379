"""DataLoader feeding the device: workers, pinned memory, asynchronous copies."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset


@pytest.fixture(scope="module")
def data():
    return TensorDataset(torch.arange(64.0).reshape(32, 2), torch.arange(32))


@pytest.mark.parametrize("workers", [0, 2])
def test_pinned_batches(data, workers):
    torch.ones(1, device="xpu_lite")  # the device is in use before workers are forked
    loader = DataLoader(data, batch_size=8, num_workers=workers, pin_memory=True)
    total, labels = 0.0, []
    for x, y in loader:
        assert x.is_pinned() and y.is_pinned()
        x, y = x.to("xpu_lite", non_blocking=True), y.to("xpu_lite", non_blocking=True)
        total += x.sum().item()
        labels += y.tolist()
    assert total == sum(range(64)) and labels == list(range(32))


def test_spawned_workers_make_device_tensors():
    loader = DataLoader(
        DeviceData(), batch_size=2, num_workers=1, multiprocessing_context="spawn"
    )
    seen = [x for x in loader]
    assert all(x.is_xpu_lite for x in seen)
    assert torch.cat([x.cpu() for x in seen]).tolist() == [0, 1, 2, 3]


class DeviceData(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.tensor(float(index), device="xpu_lite")


def test_shuffle_with_a_generator(data):
    def order():
        generator = torch.Generator().manual_seed(3)
        return [y for _, batch in DataLoader(data, shuffle=True, generator=generator)
                for y in batch.to("xpu_lite").tolist()]

    assert order() == order() != list(range(32))


def test_prefetch_on_a_side_stream(data):
    side = torch.xpu_lite.Stream()
    results = []
    for x, _ in DataLoader(data, batch_size=4, pin_memory=True):
        with torch.xpu_lite.stream(side):
            y = x.to("xpu_lite", non_blocking=True)
        torch.xpu_lite.current_stream().wait_stream(side)
        y.record_stream(torch.xpu_lite.current_stream())
        results.append((y * 2).sum().item())
    assert sum(results) == 2 * sum(range(64))
