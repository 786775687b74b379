"""What a collective returns: the Work, its futures, its numbers and its records."""

import datetime
import threading
import time

import pytest
import torch
import torch.distributed as dist
from collective_ranks import full, ranks, total  # noqa: F401
from ranks import BACKEND, DEVICE

ours = pytest.mark.skipif(BACKEND == "gloo", reason="gloo cannot")


def work_interface(me):
    x = full(me, me.rank)
    work = dist.all_reduce(x, async_op=True)
    assert work.wait() is True
    assert work.is_completed() and work.is_success()
    assert (x == total(me)).all()
    assert torch.equal(work.result()[0], x)
    if me.backend != "gloo":
        assert work.exception() is None
        assert work._get_duration() >= 0
        work.synchronize()
        assert work.wait(datetime.timedelta(seconds=1)) is True


def test_work(ranks):
    ranks.run(work_interface)


def completes_unwaited(me):
    xs = [full(me, me.rank, 10_000) for _ in range(5)]
    works = [dist.all_reduce(x, async_op=True) for x in xs]
    limit = time.monotonic() + 60
    while not all(work.is_completed() for work in works):
        assert time.monotonic() < limit
        time.sleep(0.001)
    assert all((x == total(me)).all() for x in xs)


def test_works_complete_without_wait(ranks):
    ranks.run(completes_unwaited)


def many_in_flight(me):
    xs = [full(me, me.rank + i, 1 + 37 * i) for i in range(100)]
    works = [dist.all_reduce(x, async_op=True) for x in xs]
    y = full(me, 1)
    dist.all_reduce(y)  # a synchronous one keeps its place in the queue
    assert (y == me.size).all()
    for i in reversed(range(100)):
        works[i].wait()
        assert (xs[i] == total(me) + i * me.size).all()


def test_many_in_flight(ranks):
    ranks.run(many_in_flight)


def futures(me):
    x = full(me, me.rank)
    future = dist.all_reduce(x, async_op=True).get_future()
    doubled = future.then(lambda f: f.value()[0] * 2)
    again = doubled.then(lambda f: f.value() + 1)
    assert (doubled.wait() == 2 * total(me)).all()
    assert (again.wait() == 2 * total(me) + 1).all()
    assert future.done() and torch.equal(future.value()[0], x)

    outs = [full(me, -1) for _ in range(me.size)]
    value = dist.all_gather(outs, full(me, me.rank), async_op=True).get_future().wait()
    flat = [t for item in value for t in (item if isinstance(item, list) else [item])]
    assert [t[0].item() for t in flat] == list(range(me.size))

    works = [dist.all_reduce(full(me, i), async_op=True) for i in range(5)]
    values = torch.futures.collect_all([w.get_future() for w in works]).wait()
    assert [f.value()[0][0].item() for f in values] == [i * me.size for i in range(5)]


def test_futures(ranks):
    ranks.run(futures)


def callback_calls_collective(me):
    # A callback runs where the collective ended; another collective there is allowed.
    def again(future):
        x = future.value()[0].clone()
        return dist.all_reduce(x, async_op=True).get_future()

    x = full(me, me.rank)
    inner = dist.all_reduce(x, async_op=True).get_future().then(again).wait()
    value = inner.wait()[0]
    assert (value == total(me) * me.size).all()


@ours
def test_callback_may_call_a_collective(ranks):
    ranks.run(callback_calls_collective)


def failing_callback(me):
    future = dist.all_reduce(full(me, 1), async_op=True).get_future()
    broken = future.then(lambda f: 1 / 0)
    with pytest.raises(Exception, match="division"):
        broken.wait()
    dist.barrier()


def test_failing_callback_breaks_only_its_future(ranks):
    ranks.run(failing_callback)


def sequence_numbers(me):
    group = dist.group.WORLD
    before = group._get_sequence_number_for_group()
    for _ in range(3):
        dist.all_reduce(full(me, 1))
    dist.broadcast(full(me, 1), src=0)
    after = group._get_sequence_number_for_group()
    assert after - before == 4
    return after


def test_sequence_numbers(ranks):
    assert len(set(ranks.run(sequence_numbers))) == 1


def completion_hook(me):
    me_infos, lock = [], threading.Lock()
    group = dist.new_group(list(range(me.size)))

    def hook(info):
        with lock:
            me_infos.append((info.op_type, info.seq, info.active_duration))

    group._register_on_completion_hook(hook)
    for _ in range(3):
        dist.all_reduce(full(me, 1), group=group)
    dist.broadcast(full(me, 1), src=0, group=group, async_op=True).wait()
    dist.destroy_process_group(group)  # waits for pending hooks
    assert [str(i[0]).split(".")[-1] for i in me_infos] == ["ALLREDUCE"] * 3 + ["BROADCAST"]
    assert all(i[2] >= datetime.timedelta(0) for i in me_infos)
    assert [i[1] for i in me_infos] == sorted(i[1] for i in me_infos)


@ours
def test_completion_hook(ranks):
    ranks.run(completion_hook)


def profiled(me):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        dist.all_reduce(full(me, 1))
        dist.all_gather([full(me, 1) for _ in range(me.size)], full(me, 1), async_op=True).wait()
    return [event.name for event in profile.events()]


@ours
def test_profiler_shows_collectives(ranks):
    for names in ranks.run(profiled):
        assert any(name.startswith("xpulite:") and "reduce" in name for name in names), names
        assert any(name.startswith("xpulite:") and "gather" in name for name in names), names


def other_threads_run(me):
    # The interpreter is free while a collective waits: a thread of rank 0 lets the others go.
    store = me.store("threads")
    if me.rank == 0:
        release = threading.Timer(0.2, lambda: store.set("go", "now"))
        release.start()
    else:
        store.wait(["go"])
    dist.all_reduce(full(me, 1))
    dist.barrier()
    if me.rank == 0:
        release.join()


def test_interpreter_is_free_during_a_collective(ranks):
    ranks.run(other_threads_run)


def two_threads(me):
    groups = [dist.new_group(list(range(me.size))) for _ in range(2)]
    errors = []

    def loop(group, value):
        try:
            for i in range(50):
                x = full(me, value + i, 100 + i)
                dist.all_reduce(x, group=group)
                assert (x == (value + i) * me.size).all()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=loop, args=(g, 100 * n)) for n, g in enumerate(groups)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    for group in groups:
        dist.destroy_process_group(group)


def test_two_threads_with_a_group_each(ranks):
    ranks.run(two_threads)


def cpu_and_device(me):
    # Interleaved in one group, and even in one collective: it is all host memory.
    works, xs = [], []
    for i in range(10):
        x = full(me, me.rank, 100, "cpu" if i % 2 else me.device)
        works.append(dist.all_reduce(x, async_op=True))
        xs.append(x)
    for work in works:
        work.wait()
    assert all((x == total(me)).all() for x in xs)
    x = full(me, me.rank, 100, "cpu" if me.rank == 0 else me.device)
    dist.all_reduce(x)
    assert (x == total(me)).all()


def test_cpu_and_device_tensors_in_one_group(ranks):
    ranks.run(cpu_and_device)


def sparse(me, kind):
    indices = torch.tensor([[0, me.rank + 1], [1, me.rank]])
    x = torch.sparse_coo_tensor(indices, torch.tensor([1.0, 2.0]), (me.size + 1, me.size)).to(kind)
    expected = torch.zeros(me.size + 1, me.size)
    for r in range(me.size):
        expected[0, 1] += 1
        expected[r + 1, r] += 2
    work = dist.all_reduce(x, async_op=True)
    work.wait()
    result = work.result()[0]
    assert torch.equal(result.cpu().to_dense(), expected)


@pytest.mark.parametrize("kind", list(dict.fromkeys([DEVICE, "cpu"])))
def test_sparse_all_reduce(ranks, kind):
    ranks.run(sparse, kind)
