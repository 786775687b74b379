"""Streams: identity, order, what waits for what, errors of queued work."""

import threading

import pytest
import torch

xl = torch.xpu_lite
BUSY = 50_000_000  # nanoseconds: long enough to be seen unfinished


@pytest.fixture
def side():
    stream = xl.Stream()
    yield stream
    try:
        stream.synchronize()
    except RuntimeError:
        pass


def test_default_stream_is_current():
    assert xl.current_stream() == xl.default_stream()
    assert xl.default_stream().stream_id == 0
    assert xl.default_stream().device == torch.device("xpu_lite", 0)


def test_streams_differ_and_compare(side):
    other = xl.Stream()
    assert side != other and side != xl.default_stream()
    same = xl.Stream(stream_id=side.stream_id, device_index=0, device_type=side.device_type)
    assert same == side and hash(same) == hash(side)
    assert isinstance(side, torch.Stream)
    assert "xpu_lite" in repr(side)


def test_stream_context(side):
    before = xl.current_stream()
    with xl.stream(side):
        assert xl.current_stream() == side
        with xl.stream(None):
            assert xl.current_stream() == side
        with xl.StreamContext(before):
            assert xl.current_stream() == before
        assert xl.current_stream() == side
    assert xl.current_stream() == before


def test_stream_context_survives_exceptions(side):
    with pytest.raises(KeyError):
        with xl.stream(side):
            raise KeyError
    assert xl.current_stream() == xl.default_stream()


def test_torch_stream_as_context():
    stream = torch.Stream("xpu_lite")
    with stream:
        assert xl.current_stream() == stream
    assert xl.current_stream() == xl.default_stream()


def test_set_stream(side):
    xl.set_stream(side)
    assert xl.current_stream() == side
    xl.set_stream(None)
    assert xl.current_stream() == side
    xl.set_stream(xl.default_stream())
    assert xl.current_stream() == xl.default_stream()


def test_current_stream_is_per_thread(side):
    seen = []
    with xl.stream(side):
        thread = threading.Thread(target=lambda: seen.append(xl.current_stream()))
        thread.start()
        thread.join()
    assert seen == [xl.default_stream()]


def test_priority():
    assert xl.Stream(priority=-1).priority < 0
    assert xl.Stream(priority=0).priority == 0
    assert xl.Stream.priority_range() == (0, -1)


needs_cores = pytest.mark.skipif(not xl.supports("core_sets"),
                                 reason="streams of this engine have no cores of their own")


@needs_cores
def test_cores():
    core = xl.get_device_properties().core_ids[0]
    stream = xl.Stream(cores=[core])
    assert stream.cores == [core]
    with xl.stream(stream):
        x = torch.ones(1000, device="xpu_lite").sum()
    stream.synchronize()
    assert x.item() == 1000
    assert xl.Stream().cores == []


@needs_cores
def test_cores_that_are_not_there():
    with pytest.raises((ValueError, RuntimeError), match="100000"):
        xl.Stream(cores=[100_000])


def test_query_and_synchronize(side):
    with xl.stream(side):
        xl._sleep(BUSY)
    assert side.query() is False
    side.synchronize()
    assert side.query() is True


def test_side_stream_does_not_block_the_host(side):
    with xl.stream(side):
        xl._sleep(BUSY)
        y = torch.full((4,), 2.0, device="xpu_lite") * 3
        assert side.query() is False  # the multiplication is queued, not done
    side.synchronize()
    assert y.cpu().tolist() == [6.0] * 4


def test_work_of_a_stream_is_ordered(side):
    x = torch.zeros(1000, device="xpu_lite")
    side.wait_stream(xl.current_stream())
    with xl.stream(side):
        for i in range(50):
            x.mul_(1).add_(1)
    side.synchronize()
    assert torch.equal(x.cpu(), torch.full((1000,), 50.0))


def test_wait_stream(side):
    other = xl.Stream()
    x = torch.zeros(8, device="xpu_lite")
    side.wait_stream(xl.current_stream())
    with xl.stream(side):
        xl._sleep(BUSY)
        x.add_(1)
    other.wait_stream(side)
    with xl.stream(other):
        y = x * 10
    other.synchronize()
    assert y.cpu().tolist() == [10.0] * 8


def test_default_stream_waits_for_side_stream(side):
    x = torch.zeros(8, device="xpu_lite")
    side.wait_stream(xl.current_stream())
    with xl.stream(side):
        xl._sleep(BUSY)
        x.add_(1)
    xl.current_stream().wait_stream(side)
    assert (x + 1).cpu().tolist() == [2.0] * 8


def test_item_waits_for_its_stream(side):
    with xl.stream(side):
        xl._sleep(BUSY)
        assert torch.ones(3, device="xpu_lite").sum().item() == 3


def test_copies_to_the_host_wait(side):
    with xl.stream(side):
        xl._sleep(BUSY)
        x = torch.full((1000,), 3.0, device="xpu_lite")
        assert torch.equal(x.cpu(), torch.full((1000,), 3.0))


def test_synchronize_device_waits_for_all_streams(side):
    other = xl.Stream()
    for stream in (side, other):
        with xl.stream(stream):
            xl._sleep(BUSY)
    xl.synchronize()
    assert side.query() and other.query()


def test_record_stream_keeps_memory(side):
    x = torch.ones(1 << 16, device="xpu_lite")
    address = x.data_ptr()
    side.wait_stream(xl.current_stream())
    with xl.stream(side):
        xl._sleep(BUSY)
        y = x + 1
    x.record_stream(side)
    del x
    z = torch.zeros(1 << 16, device="xpu_lite")
    assert z.data_ptr() != address
    side.synchronize()
    assert torch.equal(y.cpu(), torch.full((1 << 16,), 2.0))


def test_autograd_runs_backward_on_the_forward_stream(side):
    x = torch.ones(100, device="xpu_lite", requires_grad=True)
    side.wait_stream(xl.current_stream())
    with xl.stream(side):
        loss = (x * 3).sum()
    loss.backward()
    xl.synchronize()
    assert torch.equal(x.grad.cpu(), torch.full((100,), 3.0))


def test_error_in_queued_work_comes_at_synchronisation(side):
    xl._C._queue_failure(0, side.stream_id, "the kernel broke")
    with pytest.raises(RuntimeError, match="the kernel broke"):
        side.synchronize()
    side.synchronize()  # told once
    with xl.stream(side):
        y = torch.ones(4, device="xpu_lite") + 1
    side.synchronize()
    assert y.cpu().tolist() == [2.0] * 4


def test_error_in_queued_work_comes_at_device_synchronisation(side):
    xl._C._queue_failure(0, side.stream_id, "the kernel broke")
    with pytest.raises(RuntimeError, match="the kernel broke"):
        xl.synchronize()
    xl.synchronize()


def test_stream_that_does_not_exist():
    foreign = xl.Stream(stream_id=987654321, device_index=0, device_type=20)
    with pytest.raises((ValueError, RuntimeError), match="987654321"):
        foreign.synchronize()
    with pytest.raises((ValueError, RuntimeError), match="987654321"):
        xl.set_stream(foreign)
    assert xl.current_stream() == xl.default_stream()


def test_stream_of_a_missing_device():
    with pytest.raises((ValueError, RuntimeError), match="77"):
        xl.Stream(device=77)


def test_not_capturing():
    assert xl.is_current_stream_capturing() is False


def test_many_threads_with_streams():
    results = {}

    def work(n):
        stream = xl.Stream()
        with xl.stream(stream):
            x = torch.full((1000,), float(n), device="xpu_lite")
            for _ in range(20):
                x = x + 1
        stream.synchronize()
        results[n] = x.cpu().sum().item()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: (n + 20) * 1000.0 for n in range(8)}
