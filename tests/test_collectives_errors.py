"""Errors of collectives: wrong arguments, ranks that disagree, are late, or abort."""

import contextlib
import datetime
import time

import pytest
import torch
import torch.distributed as dist
from collective_ranks import full, ranks  # noqa: F401
from ranks import BACKEND, DEVICE, Ranks

ours = pytest.mark.skipif(BACKEND == "gloo", reason="gloo cannot")
streams = pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no streams")


# Errors of this rank alone: nothing is sent, the group works on


def wrong_arguments(me):
    group = dist.group.WORLD
    x, kind = full(me, 1), me.device
    calls = {
        "all_gather of too few outputs": lambda: dist.all_gather([x] * (me.size - 1), x),
        "all_gather_into_tensor of a wrong size":
            lambda: dist.all_gather_into_tensor(torch.empty(7, device=kind), x),
        "all_gather_into_tensor of two dtypes":
            lambda: dist.all_gather_into_tensor(
                torch.empty(5 * me.size, device=kind, dtype=torch.float64), x),
        "reduce_scatter_tensor of a wrong size":
            lambda: dist.reduce_scatter_tensor(torch.empty(7, device=kind), x),
        "scatter without a list": lambda: dist.scatter(x, None, src=me.rank),
        "root out of range": lambda: group.broadcast(x, root=me.size),
        "all_to_all_single with wrong splits":
            lambda: dist.all_to_all_single(
                torch.empty(5, device=kind), x, [5] + [1] * (me.size - 1), [1] * me.size),
        "peer out of range": lambda: group.send([x], me.size, 0).wait(),
    }
    for name, call in calls.items():
        with pytest.raises((ValueError, RuntimeError, TypeError, IndexError)) as caught:
            call()
        assert len(str(caught.value)) > 20, name
    y = full(me, 1)
    dist.all_reduce(y)
    assert (y == me.size).all()


@ours
def test_wrong_arguments(ranks):
    ranks.run(wrong_arguments)


# Errors between ranks. Each has a group of its own: it is broken afterwards.


@pytest.fixture(scope="module")
def bare():
    with Ranks(3) as ranks:
        yield ranks


@contextlib.contextmanager
def group_of(me, name, timeout=20, **options):
    me.init(name, timeout=timeout, **options)
    try:
        yield
    finally:
        dist.destroy_process_group()


# Name -> what rank 1 calls, what the others call, words that the errors contain together.
MISMATCHES = {
    "sizes": (lambda me: dist.all_reduce(full(me, 1, 10)),
              lambda me: dist.all_reduce(full(me, 1, 20)), ["all_reduce", "40", "80"]),
    "large sizes": (lambda me: dist.all_reduce(full(me, 1, 300_000)),
                    lambda me: dist.all_reduce(full(me, 1, 200_000)), ["all_reduce"]),
    "dtypes": (lambda me: dist.all_reduce(full(me, 1).to(torch.int32)),
               lambda me: dist.all_reduce(full(me, 1)), ["int32", "float32"]),
    "operators": (lambda me: dist.all_reduce(full(me, 1), op=dist.ReduceOp.MAX),
                  lambda me: dist.all_reduce(full(me, 1)), ["max", "sum"]),
    "collectives": (lambda me: dist.all_reduce(full(me, 1)),
                    lambda me: dist.broadcast(full(me, 1), src=0), ["all_reduce", "broadcast"]),
    "barrier": (lambda me: dist.barrier(),
                lambda me: dist.all_reduce(full(me, 1)), ["all_reduce", "barrier"]),
    "broadcast sizes": (lambda me: dist.broadcast(full(me, 1, 4), src=0),
                        lambda me: dist.broadcast(full(me, 1, 9), src=0), ["broadcast"]),
}


def mismatch(me, name):
    odd, common, _ = MISMATCHES[name]
    with group_of(me, f"mismatch {name}"):
        with pytest.raises(RuntimeError) as caught:
            (odd if me.rank == 1 else common)(me)
            # A rank whose part was over before the others noticed learns it now.
            dist.barrier()
        with pytest.raises(RuntimeError):
            dist.all_reduce(full(me, 1))  # broken for good, with a reason
    with group_of(me, f"after {name}"):
        x = full(me, 1)
        dist.all_reduce(x)
        assert (x == me.size).all()
    return str(caught.value)


@ours
@pytest.mark.parametrize("name", MISMATCHES)
def test_mismatch_is_an_error_on_all_ranks(bare, name):
    texts = bare.run(mismatch, name)
    together = " ".join(texts).lower().replace("allreduce", "all_reduce")
    for word in MISMATCHES[name][2]:
        assert word in together, texts


def different_roots(me):
    """Nobody waits for the odd one: found where all descriptions are compared."""
    dist.set_debug_level(dist.DebugLevel.INFO)
    try:
        with group_of(me, "roots"):
            with pytest.raises(RuntimeError) as caught:
                dist.broadcast(full(me, 1), src=1 if me.rank == 1 else 0)
                dist.barrier()
        return str(caught.value)
    finally:
        dist.set_debug_level(dist.DebugLevel.OFF)


@ours
def test_debug_level_compares_all_ranks(bare):
    assert any("broadcast" in text and "root" in text for text in bare.run(different_roots))


def message_of_another_size(me):
    with group_of(me, "message"):
        if me.rank == 0:
            dist.isend(full(me, 1, 10), 1)
        elif me.rank == 1:
            with pytest.raises(RuntimeError) as caught:
                dist.recv(full(me, 1, 20), 0)
            return str(caught.value)
        return ""


@ours
def test_message_of_another_size_is_an_error(bare):
    text = bare.run(message_of_another_size)[1]
    assert "40" in text and "80" in text, text


def one_is_late(me):
    with group_of(me, "late", timeout=1.5):
        dist.all_reduce(full(me, 1))
        if me.rank == 1:
            me.store("late").wait(["0", "2"])
            return ""
        started = time.monotonic()
        with pytest.raises(RuntimeError) as caught:
            dist.all_reduce(full(me, 1, 7))
        assert time.monotonic() - started < 20
        me.store("late").set(str(me.rank), "")
    return str(caught.value)


@ours
def test_timeout_names_the_late_rank(bare):
    texts = bare.run(one_is_late)
    for text in (texts[0], texts[2]):
        assert "all_reduce" in text and "1" in text and "2" in text, text


def wait_with_timeout(me):
    with group_of(me, "wait"):
        if me.rank == 0:
            work = dist.irecv(full(me, 1), 1)
            with pytest.raises(RuntimeError, match="(?i)time"):
                work.wait(datetime.timedelta(milliseconds=200))
            me.store("wait").set("over", "")
        else:
            me.store("wait").wait(["over"])


@ours
def test_wait_has_a_timeout(bare):
    bare.run(wait_with_timeout)


def set_timeout(me):
    with group_of(me, "set", timeout=600):
        dist.distributed_c10d._set_pg_timeout(datetime.timedelta(seconds=1), dist.group.WORLD)
        dist.barrier()
        if me.rank == 0:
            me.store("set").wait(["1", "2"])
        else:
            with pytest.raises(RuntimeError):
                dist.barrier()
            me.store("set").set(str(me.rank), "")


@ours
def test_timeout_of_a_group_can_be_changed(bare):
    bare.run(set_timeout)


def aborts(me):
    with group_of(me, "abort", timeout=600):
        dist.barrier()
        if me.rank == 0:
            me.store("abort").wait(["1", "2"])
            dist.group.WORLD._get_backend(torch.device(me.device)).abort()
            with pytest.raises(RuntimeError):
                dist.all_reduce(full(me, 1))
        else:
            work = dist.all_reduce(full(me, 1), async_op=True)
            me.store("abort").set(str(me.rank), "")
            with pytest.raises(RuntimeError) as caught:
                work.wait()
            assert work.is_completed() and not work.is_success()
            assert work.exception() is not None
            return str(caught.value)
        return "abort"


@ours
def test_abort_ends_waiting_ranks(bare):
    assert all("abort" in text.lower() for text in bare.run(aborts))


def error_in_future(me):
    with group_of(me, "future", timeout=1):
        if me.rank == 0:
            me.store("future").wait(["1", "2"])
            return
        work = dist.all_reduce(full(me, 1), async_op=True)
        future = work.get_future()
        then = future.then(lambda f: f.value()[0])
        with pytest.raises(RuntimeError):
            then.wait()
        with pytest.raises(RuntimeError):
            future.wait()
        me.store("future").set(str(me.rank), "")


@ours
def test_errors_reach_futures(bare):
    bare.run(error_in_future)


def error_on_a_stream(me):
    """wait() returned long before; the stream's next synchronisation tells."""
    with group_of(me, "stream", timeout=1):
        if me.rank == 0:
            me.store("stream").wait(["1", "2"])
            return
        stream = torch.xpu_lite.Stream()
        with torch.xpu_lite.stream(stream):
            x = full(me, 1)
            dist.all_reduce(x, async_op=True).wait()
        with pytest.raises(RuntimeError):
            stream.synchronize()
        me.store("stream").set(str(me.rank), "")


@ours
@streams
def test_errors_reach_the_stream(bare):
    bare.run(error_on_a_stream)


def destroyed_with_work(me):
    me.init("leftover", timeout=3)
    dist.barrier()
    x = full(me, 1)
    if me.rank == 0:
        work = dist.irecv(x, 1)  # never comes
        collective = dist.all_reduce(full(me, 1), async_op=True)
        collective.wait()
    else:
        dist.all_reduce(full(me, 1))
    dist.destroy_process_group()
    if me.rank == 0:
        with pytest.raises(RuntimeError):
            work.wait()
    with group_of(me, "after leftover"):
        dist.barrier()


@ours
def test_destroy_with_a_receive_under_way(bare):
    bare.run(destroyed_with_work)


# TORCH_DISTRIBUTED_DEBUG=DETAIL


def in_detail(me):
    from test_collectives import moves, reductions_of

    dist.set_debug_level(dist.DebugLevel.DETAIL)
    me.init("detail")
    try:
        assert type(dist.group.WORLD._get_backend(torch.device(me.device))).__name__ == (
            "_ProcessGroupWrapper")
        for dtype in (torch.float32, torch.bfloat16, torch.int64):
            reductions_of(me, me.device, "SUM", dtype, (7,), 1)
            moves(me, me.device, dtype, (7,))
        outs = [None] * me.size
        dist.all_gather_object(outs, me.rank)
        assert outs == list(range(me.size))
        dist.barrier()
        if BACKEND != "gloo":  # whose wrapper DDP's logger takes for gloo itself, and crashes
            model = torch.nn.Linear(4, 4).to(me.device)
            model = torch.nn.parallel.DistributedDataParallel(model)
            model(torch.randn(3, 4, device=me.device)).sum().backward()
        group = dist.new_group([0, 1])
        if me.rank < 2:
            x = full(me, 1)
            dist.all_reduce(x, group=group, async_op=True).wait()
            assert (x == 2).all()
        dist.monitored_barrier()
        with pytest.raises(RuntimeError) as caught:
            dist.all_reduce(full(me, 1, 10 + me.rank))
    finally:
        dist.destroy_process_group()
        dist.set_debug_level(dist.DebugLevel.OFF)
    return str(caught.value)


def test_debug_detail(bare):
    for text in bare.run(in_detail):
        assert "ALLREDUCE" in text.upper().replace("_", "") and "10" in text, text
