"""What all tests share: the device is loaded, and left as it was found."""

import os

import pytest
import torch
import torch_xpu_lite  # noqa: F401  (loads the device when autoload is turned off)
from declared import reason_of_test

# Tests that compare with the CPU through the same harness set XL_TEST_DEVICE=cpu.
os.environ.setdefault("XL_TEST_DEVICE", "xpu_lite")


def pytest_collection_modifyitems(items):
    for item in items:
        reason = reason_of_test(f"{item.path.name}::{item.nodeid.partition('::')[2]}")
        if reason:
            item.add_marker(pytest.mark.xfail(reason=f"declared: {reason}", strict=True))


@pytest.fixture
def device():
    """The device's name."""
    return "xpu_lite"


@pytest.fixture(autouse=True)
def _same_device_afterwards():
    before = torch.xpu_lite.current_device()
    stream = torch.xpu_lite.current_stream()
    yield
    torch.xpu_lite.set_stream(stream)
    torch.xpu_lite.set_device(before)


@pytest.fixture
def unlimited_memory():
    """Undoes memory limits that the test sets."""
    yield
    for index in range(torch.xpu_lite.device_count()):
        torch.xpu_lite.set_per_process_memory_fraction(1.0, index)
    torch.xpu_lite.empty_cache()
