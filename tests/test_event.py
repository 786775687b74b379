"""Events: marks in streams, waiting for them, time between them."""

import pytest
import torch

xl = torch.xpu_lite
BUSY = 50_000_000  # nanoseconds


def test_never_recorded_is_complete():
    event = xl.Event()
    assert event.query() is True
    event.synchronize()


def test_query_and_synchronize():
    side = xl.Stream()
    event = xl.Event()
    with xl.stream(side):
        xl._sleep(BUSY)
        event.record()
    assert event.query() is False
    event.synchronize()
    assert event.query() is True


def test_record_names_a_stream():
    side = xl.Stream()
    with xl.stream(side):
        xl._sleep(BUSY)
    event = xl.Event()
    event.record(side)
    assert event.query() is False
    event.synchronize()
    assert event.query() is True


def test_recording_again_moves_the_mark():
    side = xl.Stream()
    event = xl.Event()
    event.record(side)
    event.synchronize()
    with xl.stream(side):
        xl._sleep(BUSY)
    event.record(side)
    assert event.query() is False
    event.synchronize()


def test_elapsed_time():
    side = xl.Stream()
    start, end = xl.Event(enable_timing=True), xl.Event(enable_timing=True)
    with xl.stream(side):
        start.record()
        xl._sleep(BUSY)
        end.record()
    end.synchronize()
    assert start.elapsed_time(end) >= BUSY / 1e6


def test_elapsed_time_on_the_default_stream():
    start, end = xl.Event(enable_timing=True), xl.Event(enable_timing=True)
    start.record()
    xl._sleep(BUSY)
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) >= BUSY / 1e6


def test_elapsed_time_needs_timing_and_records():
    timed, plain = xl.Event(enable_timing=True), xl.Event()
    timed.record()
    plain.record()
    with pytest.raises((ValueError, RuntimeError)):
        timed.elapsed_time(plain)
    with pytest.raises((ValueError, RuntimeError)):
        timed.elapsed_time(xl.Event(enable_timing=True))
    assert xl.Event().query()


def test_wait_orders_two_streams():
    first, second = xl.Stream(), xl.Stream()
    x = torch.zeros(100, device="xpu_lite")
    event = xl.Event()
    with xl.stream(first):
        xl._sleep(BUSY)
        x.add_(5)
        event.record()
    with xl.stream(second):
        event.wait()
        y = x * 2
    second.synchronize()
    assert torch.equal(y.cpu(), torch.full((100,), 10.0))


def test_wait_does_not_block_the_host():
    first, second = xl.Stream(), xl.Stream()
    with xl.stream(first):
        xl._sleep(BUSY)
    event = first.record_event()
    second.wait_event(event)
    assert event.query() is False
    xl.synchronize()


def test_generic_event():
    event = torch.Event("xpu_lite", enable_timing=True)
    event.record(xl.current_stream())
    event.synchronize()
    assert event.query()
    assert isinstance(xl.Event(), torch.Event) and isinstance(event, xl.Event)
    assert not isinstance(torch.ones(1), xl.Event) and issubclass(xl.Event, torch.Event)


def test_generic_streams_take_our_events():
    stream = torch.Stream("xpu_lite")
    event = stream.record_event(xl.Event())
    stream.wait_event(event)
    torch.accelerator.current_stream().wait_event(xl.Event())
    event.synchronize()


def test_event_of_failed_work_raises():
    side = xl.Stream()
    xl._C._queue_failure(0, side.stream_id, "the kernel broke")
    event = side.record_event()
    with pytest.raises(RuntimeError, match="the kernel broke"):
        event.synchronize()
    try:
        side.synchronize()
    except RuntimeError:
        pass
    assert torch.ones(2, device="xpu_lite").sum().item() == 2


def test_interprocess_is_refused():
    with pytest.raises(NotImplementedError, match="interprocess"):
        xl.Event(interprocess=True)


def test_foreign_stream():
    foreign = xl.Stream(stream_id=987654321, device_index=0, device_type=20)
    with pytest.raises((ValueError, RuntimeError), match="987654321"):
        xl.Event().record(foreign)
