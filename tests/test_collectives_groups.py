"""Groups of some ranks, messages between two, coalesced calls, and objects."""

import copy
import datetime

import pytest
import torch
import torch.distributed as dist
from collective_ranks import full, ranks  # noqa: F401
from ranks import BACKEND, DEVICE, Ranks

ours = pytest.mark.skipif(BACKEND == "gloo", reason="gloo cannot")


@pytest.fixture(scope="module")
def bare():
    """Ranks without a default group."""
    with Ranks(4) as ranks:
        yield ranks


# Groups


def reports_its_backend(me):
    assert dist.get_backend() in ("xpulite", "cpu:xpulite,xpu_lite:xpulite")
    assert dist.is_backend_available("xpulite")
    group = dist.group.WORLD
    for kind in ("cpu", "xpu_lite"):
        backend = group._get_backend(torch.device(kind))
        assert backend.name() == "xpulite"
        assert (backend.rank(), backend.size()) == (me.rank, me.size)
    assert group._get_backend(torch.device("cpu")) is group._get_backend(
        torch.device("xpu_lite"))


@ours
def test_backend(ranks):
    ranks.run(reports_its_backend)


def chosen_by_device(me):
    # No backend named: the device that is there decides.
    dist.init_process_group(store=me.store("default"), rank=me.rank, world_size=me.size)
    x = full(me, 1)
    dist.all_reduce(x)
    assert x[0] == me.size
    dist.destroy_process_group()
    me.init("bound", "xpulite", device_id=torch.device("xpu_lite", 0))
    x = full(me, 1)
    dist.all_reduce(x)
    assert x[0] == me.size
    cpu = torch.ones(3)
    dist.all_reduce(cpu)
    assert cpu[0] == me.size
    dist.barrier()
    dist.barrier(device_ids=[0])
    dist.destroy_process_group()
    assert not dist.is_initialized()


@ours
def test_default_backend_and_device_id(bare):
    bare.run(chosen_by_device)


def again_and_again(me, count):
    for number in range(count):
        me.init(f"again{number}")
        x = full(me, number)
        dist.all_reduce(x)
        assert x[0] == number * me.size
        dist.destroy_process_group()


def test_init_and_destroy_many_times(bare):
    bare.run(again_and_again, 8)


def destroyed_group_is_unusable(me):
    me.init("short-lived")
    group = dist.group.WORLD
    dist.destroy_process_group()
    with pytest.raises((RuntimeError, ValueError)):
        group.allreduce([full(me, 1)]).wait()
    me.init("after")
    dist.barrier()
    dist.destroy_process_group()


@ours
def test_destroyed_group(bare):
    bare.run(destroyed_group_is_unusable)


def sub_groups(me):
    halves = [list(range(me.size // 2)), list(range(me.size // 2, me.size))]
    made = [dist.new_group(half) for half in halves]
    for half, group in zip(halves, made):
        if me.rank not in half:
            assert group == dist.GroupMember.NON_GROUP_MEMBER
            continue
        assert dist.get_process_group_ranks(group) == half
        assert dist.get_rank(group) == half.index(me.rank)
        x = full(me, me.rank + 1)
        dist.all_reduce(x, group=group)
        assert x[0] == sum(r + 1 for r in half)
        x = full(me, me.rank)
        dist.broadcast(x, src=half[-1], group=group)
        assert x[0] == half[-1]
        x = full(me, me.rank)
        dist.broadcast(x, group_src=0, group=group)
        assert x[0] == half[0]
    # Ranks in another order are numbered in it.
    order = list(range(me.size))[::-1]
    group = dist.new_group(order, use_local_synchronization=False)
    outs = [full(me, -1) for _ in order]
    dist.all_gather(outs, full(me, me.rank), group=group)
    assert [out[0].item() for out in outs] == sorted(order)
    # Groups interleave with the world, and with each other.
    overlapping = [dist.new_group([r, (r + 1) % me.size]) for r in range(me.size)]
    for _ in range(3):
        for r in range(me.size):
            if me.rank in (r, (r + 1) % me.size):
                x = full(me, 1)
                dist.all_reduce(x, group=overlapping[r])
                assert x[0] == 2
        x = full(me, 1)
        dist.all_reduce(x)
        assert x[0] == me.size
    for group in [*made, *overlapping]:
        dist.destroy_process_group(group)


def test_sub_groups(ranks):
    ranks.run(sub_groups)


def local_synchronization(me):
    # Only the members call new_group.
    if me.rank < me.size - 1:
        group = dist.new_group(list(range(me.size - 1)), use_local_synchronization=True)
        x = full(me, 1)
        dist.all_reduce(x, group=group)
        assert x[0] == me.size - 1
        dist.destroy_process_group(group)
    group, groups = dist.new_subgroups(me.size // 2)
    x = full(me, me.rank)
    dist.all_reduce(x, group=group)
    first = me.rank // (me.size // 2) * (me.size // 2)
    assert x[0] == sum(range(first, first + me.size // 2))


def test_new_subgroups_and_local_synchronization(ranks):
    ranks.run(local_synchronization)


def split(me):
    me.init("split", "xpulite", device_id=torch.device("xpu_lite", 0))
    half = me.size // 2
    group = dist.split_group(
        split_ranks=[list(range(half)), list(range(half, me.size))],
        timeout=datetime.timedelta(seconds=30),
    )
    assert dist.get_world_size(group) == half
    x = full(me, me.rank)
    dist.all_reduce(x, group=group)
    first = 0 if me.rank < half else half
    assert x[0] == sum(range(first, first + half))
    cpu = torch.ones(2)
    dist.all_reduce(cpu, group=group)
    assert cpu[0] == half
    # Those who are in none of the parts get nothing.
    some = dist.split_group(split_ranks=[[0, me.size - 1]])
    if me.rank in (0, me.size - 1):
        x = full(me, me.rank + 1)
        dist.all_reduce(x, group=some)
        assert x[0] == me.size + 1
    else:
        assert some is None
    x = full(me, 1)
    dist.all_reduce(x)
    assert x[0] == me.size
    # new_group of a bound group splits, too.
    group = dist.new_group([0, 1])
    if me.rank < 2:
        x = full(me, 1)
        dist.all_reduce(x, group=group)
        assert x[0] == 2
    dist.destroy_process_group()


@ours
def test_split_group(bare):
    bare.run(split)


def options_are_copied(me):
    me.init("options", "xpulite")
    options = dist.group.WORLD._get_backend(torch.device("xpu_lite")).options
    assert copy.deepcopy(options)._timeout == options._timeout
    dist.destroy_process_group()


@ours
def test_options(bare):
    bare.run(options_are_copied)


def beside_gloo(me):
    """Another backend for CPU tensors; and none of ours at all."""
    me.init("mixed", "cpu:gloo,xpu_lite:xpulite")
    for kind in ("cpu", "xpu_lite"):
        x = full(me, me.rank, kind=kind)
        dist.all_reduce(x)
        assert (x == sum(range(me.size))).all()
    assert dist.group.WORLD.name() == "custom"
    assert dist.group.WORLD._get_sequence_number_for_group() == 1
    dist.destroy_process_group()
    me.init("gloo alone", "cpu:gloo")
    assert dist.group.WORLD.name() == "gloo"
    dist.barrier()
    dist.destroy_process_group()


@ours
def test_beside_gloo(bare):
    bare.run(beside_gloo)


# Messages


def ring(me, kind):
    after, before = (me.rank + 1) % me.size, (me.rank - 1) % me.size
    for count in (0, 1, 1000, 300_000):
        out = full(me, -1, count, kind)
        sending = dist.isend(full(me, me.rank, count, kind), after)
        receiving = dist.irecv(out, before)
        receiving.wait()
        sending.wait()
        assert receiving.is_completed() and sending.is_completed()
        assert (out == before).all()


@pytest.mark.parametrize("kind", list(dict.fromkeys([DEVICE, "cpu"])))
def test_messages_around_a_ring(ranks, kind):
    ranks.run(ring, kind)


def any_source(me):
    if me.rank == 0:
        seen = []
        for _ in range(me.size - 1):
            x = full(me, -1)
            source = dist.recv(x)
            assert x[0] == source * 10
            seen.append(source)
        assert sorted(seen) == list(range(1, me.size))
        x = full(me, -1)
        work = dist.irecv(x, src=None, tag=7)
        work.wait()
        assert work._source_rank() == 1 and x[0] == 1
    else:
        dist.send(full(me, me.rank * 10), 0)
        if me.rank == 1:
            dist.send(full(me, 1), 0, tag=7)


def test_receive_from_any_source(ranks):
    ranks.run(any_source)


def tags(me):
    if me.rank == 0:
        works = [dist.isend(full(me, tag * 10 + me.size, tag), 1, tag=tag)
                 for tag in (3, 1, 2, 1)]
        for work in works:
            work.wait()
    elif me.rank == 1:
        for tag in (1, 2, 3, 1):
            x = full(me, -1, tag)
            dist.recv(x, 0, tag=tag)
            assert x[0] == tag * 10 + me.size, (tag, x)
    dist.barrier()


def test_tags_out_of_order(ranks):
    ranks.run(tags)


def order(me):
    # Messages with one tag arrive in the order sent, whatever their sizes.
    sizes = [1, 100_000, 3, 70_000, 0, 5]
    if me.rank == 0:
        works = [dist.isend(full(me, i, n), 1) for i, n in enumerate(sizes)]
    elif me.rank == 1:
        outs = [full(me, -1, n) for n in sizes]
        works = [dist.irecv(out, 0) for out in outs]
    else:
        works = []
    for work in works:
        work.wait()
    if me.rank == 1:
        for i, out in enumerate(outs):
            assert (out == i).all()


def test_messages_keep_their_order(ranks):
    ranks.run(order)


def to_itself(me):
    with pytest.raises(ValueError):
        dist.send(full(me, 1), me.rank)
    with pytest.raises((ValueError, RuntimeError)):
        dist.recv(full(me, 1), me.rank)
    dist.barrier()


def test_message_to_itself_is_refused(ranks):
    ranks.run(to_itself)


def beside_collectives(me):
    """A receive that waits does not hold up collectives."""
    out = full(me, -1)
    if me.rank == 0:
        waiting = dist.irecv(out, 1)
    for _ in range(3):
        x = full(me, 1)
        dist.all_reduce(x)
        assert x[0] == me.size
    if me.rank == 1:
        dist.send(full(me, 42), 0)
    if me.rank == 0:
        waiting.wait()
        assert out[0] == 42


def test_messages_beside_collectives(ranks):
    ranks.run(beside_collectives)


def batch(me):
    peers = [r for r in range(me.size) if r != me.rank]
    outs = {peer: full(me, -1, 3 + peer) for peer in peers}
    operations = []
    for peer in peers:
        operations.append(dist.P2POp(dist.irecv, outs[peer], peer))
        operations.append(dist.P2POp(dist.isend, full(me, me.rank, 3 + me.rank), peer))
    for work in dist.batch_isend_irecv(operations):
        work.wait()
    for peer in peers:
        assert (outs[peer] == peer).all()
    # Receives before sends, on both sides, of sizes that no buffer holds.
    after, before = (me.rank + 1) % me.size, (me.rank - 1) % me.size
    out = full(me, -1, 500_000)
    works = dist.batch_isend_irecv([
        dist.P2POp(dist.irecv, out, before),
        dist.P2POp(dist.isend, full(me, me.rank, 500_000), after),
    ])
    for work in works:
        work.wait()
    assert (out == before).all()


def test_batch_isend_irecv(ranks):
    ranks.run(batch)


def both_send_first(me):
    # Everyone sends much and then receives: sends must not wait for the receiver.
    after, before = (me.rank + 1) % me.size, (me.rank - 1) % me.size
    sends = [dist.isend(full(me, i, 200_000), after) for i in range(3)]
    for i in range(3):
        x = full(me, -1, 200_000)
        dist.recv(x, before)
        assert (x == i).all()
    for send in sends:
        send.wait()


def test_everyone_sends_first(ranks):
    ranks.run(both_send_first)


# Coalesced


def coalesced(me):
    xs = [full(me, me.rank + i, 3 + i) for i in range(4)]
    with dist._coalescing_manager(device=torch.device(me.device)):
        for x in xs:
            dist.all_reduce(x)
    for i, x in enumerate(xs):
        assert (x == sum(r + i for r in range(me.size))).all()

    ins = [full(me, me.rank * 10 + i, 2) for i in range(3)]
    outs = [full(me, -1, 2 * me.size) for _ in range(3)]
    with dist._coalescing_manager(device=torch.device(me.device), async_ops=True) as manager:
        for out, x in zip(outs, ins):
            dist.all_gather_into_tensor(out, x)
    manager.wait()
    for i, out in enumerate(outs):
        assert out.tolist() == [r * 10 + i for r in range(me.size) for _ in range(2)]

    ins = [full(me, me.rank + i, 2 * me.size) for i in range(3)]
    outs = [full(me, -1, 2) for _ in range(3)]
    with dist._coalescing_manager(device=torch.device(me.device)):
        for out, x in zip(outs, ins):
            dist.reduce_scatter_tensor(out, x)
    for i, out in enumerate(outs):
        assert (out == sum(r + i for r in range(me.size))).all()


@ours
def test_coalescing_manager(ranks):
    ranks.run(coalesced)


def coalesced_mix(me):
    """Different calls in one block: what NCCL calls a group."""
    x, y, gathered = full(me, 1), full(me, me.rank), [full(me, -1) for _ in range(me.size)]
    after, before = (me.rank + 1) % me.size, (me.rank - 1) % me.size
    received = full(me, -1)
    with dist._coalescing_manager(device=torch.device(me.device), async_ops=True) as manager:
        dist.broadcast(y, src=1)
        dist.all_gather(gathered, full(me, me.rank))
        dist.isend(full(me, me.rank), after)
        dist.irecv(received, before)
    manager.wait()
    assert y[0] == 1 and received[0] == before
    assert [g[0].item() for g in gathered] == list(range(me.size))
    dist.all_reduce(x)
    assert x[0] == me.size


@ours
def test_coalescing_of_different_calls(ranks):
    ranks.run(coalesced_mix)


def coalesced_lists(me):
    tensors = [full(me, me.rank, n).to(d) for n, d in
               ((3, torch.float32), (5, torch.float32), (0, torch.float32))]
    dist.all_reduce_coalesced(tensors)
    for x in tensors:
        assert (x == sum(range(me.size))).all()
    outs = [[full(me, -1, 2), full(me, -1, 4)] for _ in range(me.size)]
    dist.all_gather_coalesced(outs, [full(me, me.rank, 2), full(me, me.rank + 1, 4)])
    for r, (a, b) in enumerate(outs):
        assert (a == r).all() and (b == r + 1).all()


def test_coalesced_lists(ranks):
    ranks.run(coalesced_lists)


# Objects, and barriers


def objects(me):
    mine = {"rank": me.rank, "list": list(range(me.rank * 100))}
    outs = [None] * me.size
    dist.all_gather_object(outs, mine)
    assert [o["rank"] for o in outs] == list(range(me.size))
    assert [len(o["list"]) for o in outs] == [r * 100 for r in range(me.size)]

    outs = [None] * me.size if me.rank == 1 else None
    dist.gather_object(mine, outs, dst=1)
    if me.rank == 1:
        assert [o["rank"] for o in outs] == list(range(me.size))

    lists = [mine, "text", None] if me.rank == 0 else [None] * 3
    dist.broadcast_object_list(lists, src=0)
    assert lists == [{"rank": 0, "list": []}, "text", None]
    lists = [mine] if me.rank == 0 else [None]
    dist.broadcast_object_list(lists, src=0, device=torch.device(me.device))
    assert lists[0]["rank"] == 0

    out = [None]
    ins = [f"for {r}" for r in range(me.size)] if me.rank == 0 else None
    dist.scatter_object_list(out, ins, src=0)
    assert out == [f"for {me.rank}"]

    if me.rank == 0:
        dist.send_object_list([mine, 7], dst=1)
    elif me.rank == 1:
        got = [None, None]
        dist.recv_object_list(got, src=0)
        assert got == [{"rank": 0, "list": []}, 7]

    tensors = [None] * me.size
    dist.all_gather_object(tensors, full(me, me.rank))
    assert [t[0].item() for t in tensors] == list(range(me.size))
    assert all(t.device.type == torch.device(me.device).type for t in tensors)


def test_objects(ranks):
    ranks.run(objects)


def barriers(me):
    for _ in range(10):
        dist.barrier()
    work = dist.barrier(async_op=True)
    work.wait()
    dist.monitored_barrier(timeout=datetime.timedelta(seconds=20))
    dist.monitored_barrier(timeout=datetime.timedelta(seconds=20), wait_all_ranks=True)


def test_barriers(ranks):
    ranks.run(barriers)


def late_for_the_barrier(me, wait_all_ranks):
    me.init("late", timeout=20)
    late = {me.size - 1, me.size - 2} if wait_all_ranks else {me.size - 1}
    if me.rank not in late:
        with pytest.raises(RuntimeError) as caught:
            dist.monitored_barrier(
                timeout=datetime.timedelta(seconds=1), wait_all_ranks=wait_all_ranks)
        if me.rank == 0:
            return str(caught.value)
    me.store("done").wait(["0"]) if me.rank in late else me.store("done").set("0", "")
    return ""


@pytest.mark.parametrize("wait_all_ranks", [False, True])
def test_monitored_barrier_names_who_is_missing(wait_all_ranks):
    with Ranks(4) as ranks:
        text = ranks.run(late_for_the_barrier, wait_all_ranks)[0]
    assert "3" in text
    if wait_all_ranks:
        assert "2" in text
