"""Several logical devices: copies between them, and each one's own state.

The number of devices is fixed when a process starts. Where there are fewer than
four, this file runs itself again with four devices of the same engine.
"""

import os
import subprocess
import sys
import threading

import pytest
import torch
from engine import several

xl = torch.xpu_lite
COUNT = 4

if xl.device_count() < COUNT:

    def test_with_four_devices():
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
            env={**os.environ, "XPU_LITE_DEVICES": several(COUNT)},
            capture_output=True, text=True, timeout=600,
        )
        assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]

else:

    def test_all_are_there():
        assert xl.device_count() == torch.accelerator.device_count() == COUNT
        total = sum(xl.get_device_properties(i).total_memory for i in range(COUNT))
        assert total > 0 and len(xl.get_arch_list()) == COUNT

    @pytest.mark.parametrize("index", range(COUNT))
    def test_tensors_are_where_they_were_put(index):
        x = torch.arange(4.0, device=f"xpu_lite:{index}")
        y = (x * 2).relu() @ x
        assert y.device.index == index and y.item() == 28
        assert x.new_zeros(2).device.index == index
        assert torch.zeros_like(x).device.index == index

    def test_current_device_decides():
        with xl.device(2):
            assert torch.ones(1, device="xpu_lite").device.index == 2
            assert xl.current_device() == torch.accelerator.current_device_index() == 2
            with xl.device("xpu_lite:1"):
                assert torch.ones(1, device="xpu_lite").device.index == 1
            assert xl.current_device() == 2
        xl.set_device(3)
        assert torch.ones(1).xpu_lite().device.index == 3
        with xl.device_of(torch.ones(1, device="xpu_lite:1")):
            assert xl.current_device() == 1
        assert xl.current_device() == 3

    def test_operator_leaves_the_current_device_alone():
        x = torch.ones(3, device="xpu_lite:3")
        (x + x).sum().item()
        assert xl.current_device() == 0

    def test_threads_have_their_own_current_device():
        xl.set_device(2)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(xl.current_device()))
        thread.start()
        thread.join()
        assert seen == [0] and xl.current_device() == 2

    @pytest.mark.parametrize("source, target", [(0, 1), (3, 2), (1, 1)])
    @pytest.mark.parametrize("non_blocking", [False, True])
    def test_peer_copies(source, target, non_blocking):
        x = torch.arange(1000.0, device=f"xpu_lite:{source}")
        y = x.to(f"xpu_lite:{target}", non_blocking=non_blocking)
        assert y.device.index == target
        xl.synchronize(target)
        assert torch.equal(y.cpu(), x.cpu())
        if source != target:
            y.fill_(0)
            assert x.sum().item() == 499500

    def test_peer_copies_of_views_and_dtypes():
        x = torch.arange(12, device="xpu_lite:0").reshape(3, 4).t()
        y = torch.empty(4, 3, dtype=torch.bfloat16, device="xpu_lite:3")
        y.copy_(x)
        assert torch.equal(y.cpu().long(), x.cpu())

    def test_peer_copy_waits_for_the_source():
        side = xl.Stream(device=1)
        x = torch.zeros(100, device="xpu_lite:1")
        with xl.stream(side):
            xl._sleep(50_000_000)
            x.add_(1)
            y = x.to("xpu_lite:2")
        xl.synchronize(1)
        xl.synchronize(2)
        assert y.sum().item() == 100

    def test_peer_access():
        for other in range(COUNT):
            assert isinstance(xl.can_device_access_peer(0, other), bool)

    def test_streams_belong_to_devices():
        stream = xl.Stream(device=2)
        assert stream.device == torch.device("xpu_lite", 2)
        with xl.stream(stream):
            assert xl.current_device() == 2 and xl.current_stream() == stream
            assert xl.current_stream(0) == xl.default_stream(0)
        assert xl.current_device() == 0
        assert xl.current_stream(2) == xl.default_stream(2)
        xl.set_stream(stream)
        assert xl.current_device() == 2
        xl.set_stream(xl.default_stream(2))

    def test_synchronize_is_per_device():
        side = xl.Stream(device=1)
        with xl.stream(side):
            xl._sleep(100_000_000)
        xl.synchronize(0)
        assert side.query() is False
        xl.synchronize("xpu_lite:1")
        assert side.query() is True

    def test_events_between_devices():
        first, second = xl.Stream(device=0), xl.Stream(device=1)
        with xl.stream(first):
            xl._sleep(50_000_000)
            event = first.record_event()
        second.wait_event(event)
        second.synchronize()
        assert event.query() is True

    def test_statistics_are_per_device():
        before = [xl.memory_allocated(i) for i in range(COUNT)]
        x = torch.empty(2**20, device="xpu_lite:2")
        after = [xl.memory_allocated(i) for i in range(COUNT)]
        grown = [b - a for a, b in zip(before, after)]
        assert grown[2] >= 2**22 and grown[0] == grown[1] == grown[3] == 0
        xl.reset_peak_memory_stats(2)
        assert xl.max_memory_allocated("xpu_lite:2") == after[2]
        assert {s["device"] for s in xl.memory_snapshot(2)} == {2}
        del x

    def test_limits_are_per_device():
        total = xl.mem_get_info(1)[1]
        xl.set_per_process_memory_fraction((xl.memory_reserved(1) + 2**25) / total, 1)
        try:
            with pytest.raises(torch.OutOfMemoryError):
                torch.empty(2**27, dtype=torch.uint8, device="xpu_lite:1")
            assert torch.empty(2**27, dtype=torch.uint8, device="xpu_lite:0").numel() == 2**27
        finally:
            xl.set_per_process_memory_fraction(1.0, 1)

    def test_generators_are_per_device():
        xl.manual_seed_all(7)
        numbers = [torch.rand(4, device=f"xpu_lite:{i}") for i in range(COUNT)]
        for other in numbers[1:]:
            assert torch.equal(numbers[0].cpu(), other.cpu())
        xl.manual_seed_all(7)
        torch.rand(100, device="xpu_lite:0")
        assert torch.equal(torch.rand(4, device="xpu_lite:1").cpu(), numbers[1].cpu())
        with xl.device(3):
            xl.manual_seed(9)
            assert xl.initial_seed() == 9
        assert xl.initial_seed() == 7
        states = xl.get_rng_state_all()
        assert len(states) == COUNT
        drawn = torch.rand(3, device="xpu_lite:2")
        xl.set_rng_state_all(states)
        assert torch.equal(torch.rand(3, device="xpu_lite:2"), drawn)
        assert len(xl.default_generators) == COUNT
        assert xl.default_generators[-1].device == torch.device("xpu_lite", 3)

    def test_generator_of_another_index():
        generator = torch.Generator("xpu_lite:1")
        with pytest.raises(RuntimeError, match="(?i)generator|device"):
            torch.rand(2, device="xpu_lite:0", generator=generator)

    def test_fork_rng():
        state = [s.clone() for s in xl.get_rng_state_all()]
        with torch.random.fork_rng(devices=range(COUNT), device_type="xpu_lite"):
            torch.rand(10, device="xpu_lite:1")
        assert all(torch.equal(a, b) for a, b in zip(state, xl.get_rng_state_all()))

    def test_operators_refuse_two_devices():
        x, y = torch.ones(2, device="xpu_lite:0"), torch.ones(2, device="xpu_lite:1")
        for call in (lambda: x + y, lambda: x.add_(y), lambda: x @ y, lambda: torch.cat([x, y])):
            with pytest.raises(RuntimeError, match="device"):
                call()
        assert (x + x).sum().item() == 4

    def test_missing_device():
        with pytest.raises((ValueError, RuntimeError), match=str(COUNT)):
            torch.ones(1, device=f"xpu_lite:{COUNT}")

    def test_training_over_two_devices():
        first = torch.nn.Linear(4, 8).to("xpu_lite:0")
        second = torch.nn.Linear(8, 1).to("xpu_lite:1")
        optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=0.05)
        x = torch.randn(64, 4, device="xpu_lite:0")
        target = x.sum(1, keepdim=True).to("xpu_lite:1")
        losses = []
        for _ in range(60):
            loss = (second(first(x).relu().to("xpu_lite:1")) - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]
        assert first.weight.grad.device.index == 0 and second.weight.grad.device.index == 1

    def test_checkpoints_remember_the_device(tmp_path):
        torch.save(torch.ones(2, device="xpu_lite:3"), tmp_path / "x.pt")
        assert torch.load(tmp_path / "x.pt").device.index == 3
        assert torch.load(tmp_path / "x.pt", map_location="xpu_lite:1").device.index == 1
        assert torch.load(
            tmp_path / "x.pt", map_location={"xpu_lite:3": "xpu_lite:2"}
        ).device.index == 2

    def test_dlpack_keeps_the_index():
        x = torch.arange(3.0, device="xpu_lite:2")
        assert x.__dlpack_device__()[1] == 2
        assert torch.from_dlpack(x).device == x.device

    def test_accelerator_index():
        with torch.accelerator.device_index(1):
            assert xl.current_device() == 1
        torch.accelerator.set_device_index(2)
        assert xl.current_device() == 2
        torch.accelerator.synchronize(3)
        assert torch.accelerator.memory_allocated(1) == xl.memory_allocated(1)
