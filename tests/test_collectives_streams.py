"""Collectives and the device's streams: order, waiting without the host, memory."""

import pytest
import torch
import torch.distributed as dist
from collective_ranks import full, ranks, total  # noqa: F401
from ranks import DEVICE

pytestmark = pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no streams")
MS = 1_000_000  # nanoseconds of torch.xpu_lite._sleep


def after_queued_work(me):
    """A collective waits for what its stream has queued, and the stream for it."""
    stream = torch.xpu_lite.Stream()
    for async_op in (False, True):
        x = torch.zeros(1000, device="xpu_lite")
        with torch.xpu_lite.stream(stream):
            torch.xpu_lite._sleep(30 * MS)
            x.fill_(me.rank + 1)
            work = dist.all_reduce(x, async_op=async_op)
            if async_op:
                work.wait()
            y = x * 2
        stream.synchronize()
        assert (y == 2 * (total(me) + me.size)).all()


def test_collective_follows_queued_work(ranks):
    ranks.run(after_queued_work)


def wait_blocks_the_stream_only(me, async_op):
    """The others come only when rank 0 has returned from wait()."""
    store = me.store(f"stream{async_op}")
    stream = torch.xpu_lite.Stream()
    x = full(me, me.rank)
    stream.wait_stream(torch.xpu_lite.current_stream())
    if me.rank != 0:
        store.wait(["0 has waited"])
    with torch.xpu_lite.stream(stream):
        work = dist.all_reduce(x, async_op=async_op)
        if async_op:
            assert work.is_completed() in (True, False)
            work.wait()
        y = x + 1
        event = torch.xpu_lite.Event()
        event.record()
    if me.rank == 0:
        assert not event.query()
        store.set("0 has waited", "yes")
    event.synchronize()
    assert (y == total(me) + 1).all()


@pytest.mark.parametrize("async_op", [True, False])
def test_wait_blocks_the_stream_not_the_host(ranks, async_op):
    ranks.run(wait_blocks_the_stream_only, async_op)


def block_current_stream(me):
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        x = full(me, me.rank)
        work = dist.all_reduce(x, async_op=True)
        work.block_current_stream()
        y = x + 1
    stream.synchronize()
    assert (y == total(me) + 1).all()


def test_block_current_stream(ranks):
    ranks.run(block_current_stream)


def other_stream_waits(me):
    # Issued on one stream, waited for on another.
    first, second = torch.xpu_lite.Stream(), torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(first):
        torch.xpu_lite._sleep(20 * MS)
        x = full(me, me.rank, 5000)
        work = dist.all_reduce(x, async_op=True)
    with torch.xpu_lite.stream(second):
        work.wait()
        y = x * 3
    second.synchronize()
    assert (y == 3 * total(me)).all()


def test_wait_on_another_stream(ranks):
    ranks.run(other_stream_waits)


def synchronize_waits(me):
    xs = [full(me, me.rank, 50_000) for _ in range(4)]
    works = [dist.all_reduce(x, async_op=True) for x in xs]
    torch.xpu_lite.synchronize()
    assert all(work.is_completed() for work in works)
    assert all((x == total(me)).all() for x in xs)


def test_device_synchronize_waits_for_collectives(ranks):
    ranks.run(synchronize_waits)


def memory_is_kept(me):
    """Tensors of a collective under way may be dropped; their memory is not reused."""
    stream = torch.xpu_lite.Stream()
    results = []
    with torch.xpu_lite.stream(stream):
        for i in range(50):
            x = full(me, me.rank + i, 10_000)
            out = torch.empty(me.size * 10_000, device="xpu_lite")
            work = dist.all_gather_into_tensor(out, x, async_op=True)
            del x
            torch.full((10_000,), -7.0, device="xpu_lite")  # would land in its memory
            work.wait()
            results.append(out.view(me.size, -1).sum(1))
            del out, work
    # Dropped before they are done, on the default stream and on the host.
    for i in range(20):
        dist.all_reduce(full(me, i, 10_000), async_op=True)
        torch.full((10_000,), -7.0, device="xpu_lite")
    stream.synchronize()
    for i, sums in enumerate(results):
        assert sums.tolist() == [10_000.0 * (r + i) for r in range(me.size)]
    dist.barrier()


def test_memory_of_running_collectives_is_kept(ranks):
    ranks.run(memory_is_kept)


def futures_and_streams(me):
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        torch.xpu_lite._sleep(20 * MS)
        x = full(me, me.rank)
        future = dist.all_reduce(x, async_op=True).get_future()
        value = future.then(lambda f: f.value()[0].div_(me.size)).wait()
        y = value + 1
    stream.synchronize()
    torch.testing.assert_close(y.cpu(), torch.full((5,), total(me) / me.size + 1))


def test_futures_with_streams(ranks):
    ranks.run(futures_and_streams)


def overlap(me):
    """Collectives of several groups on several streams at once."""
    groups = [dist.new_group(list(range(me.size))) for _ in range(3)]
    side = [torch.xpu_lite.Stream() for _ in groups]
    xs = [full(me, me.rank + n, 20_000) for n in range(3)]
    torch.xpu_lite.synchronize()
    for _ in range(5):
        for group, stream, x in zip(groups, side, xs):
            with torch.xpu_lite.stream(stream):
                dist.all_reduce(x, group=group, op=dist.ReduceOp.AVG)
                x.add_(me.rank)
    torch.xpu_lite.synchronize()
    for n, x in enumerate(xs):
        value = torch.tensor([float(r + n) for r in range(me.size)])
        for _ in range(5):
            value = value.mean() + torch.arange(me.size)
        torch.testing.assert_close(x[0].item(), value[me.rank].item(), rtol=1e-5, atol=1e-5)
    for group in groups:
        dist.destroy_process_group(group)


def test_groups_on_streams(ranks):
    ranks.run(overlap)


def data_replaced(me):
    """What FSDP does with a reduced gradient: other data for the same tensor object."""
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        torch.xpu_lite._sleep(20 * MS)
        out = torch.empty(1000, dtype=torch.bfloat16, device="xpu_lite")
        x = torch.full((1000 * me.size,), 2.0, dtype=torch.bfloat16, device="xpu_lite")
        dist.reduce_scatter_tensor(out, x)
        out.data = out.data.to(torch.float32)
        x.data = torch.zeros(3, device="xpu_lite")
        y = torch.full((10,), 3.0, device="xpu_lite")
        work = dist.all_reduce(y, async_op=True)
        work.wait()
        y.data = y.data.double()
    stream.synchronize()
    assert out.dtype == torch.float32 and (out == 2 * me.size).all()
    assert y.dtype == torch.float64 and (y == 3 * me.size).all()


def test_tensor_gets_other_data_behind_a_collective(ranks):
    ranks.run(data_replaced)
