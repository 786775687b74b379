"""The transport over torch's gloo: what carries the group where oneCCL is missing."""

import os
import signal
import time

import pytest
import torch
import torch.distributed as dist
from ranks import Ranks

SIZE = 3
SMALL, LARGE = 7, 5003  # elements: within a frame, and beyond it in uneven chunks
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.fixture(scope="module")
def ranks():
    with Ranks(SIZE, init=True, environment={"XPU_LITE_CCL_TRANSPORT": "gloo"}) as ranks:
        yield ranks


@pytest.fixture
def strangers():
    """Ranks of a test that breaks its group."""
    with Ranks(SIZE, environment={"XPU_LITE_CCL_TRANSPORT": "gloo"}) as ranks, ranks.patient():
        yield ranks


def values(rank, count, dtype, device):
    """Rank `rank`'s numbers; products and sums of them are exact in every dtype."""
    numbers = (torch.arange(count) * 7 + rank * 3) % 4 + 1
    return numbers.to(dtype).to(device)


def transport_is_gloo(me):
    backend = dist.group.WORLD._get_backend(torch.device(me.device))
    assert backend.transport == "gloo", backend.transport


def reduction(inputs, op):
    dtype = inputs[0].dtype
    wide = torch.stack([x.to(torch.float64 if dtype.is_floating_point else torch.int64)
                        for x in inputs])
    return {
        "SUM": lambda: wide.sum(0), "PRODUCT": lambda: wide.prod(0),
        "MIN": lambda: wide.amin(0), "MAX": lambda: wide.amax(0),
        "AVG": lambda: wide.sum(0) / len(wide) if dtype.is_floating_point
        else wide.sum(0) // len(wide),
        "BAND": lambda: wide[0] & wide[1] & wide[2], "BOR": lambda: wide[0] | wide[1] | wide[2],
        "BXOR": lambda: wide[0] ^ wide[1] ^ wide[2],
    }[op]().to(dtype)


def reduces(me, dtype, op, count):
    inputs = [values(r, count, dtype, "cpu") for r in range(me.size)]
    expected = reduction(inputs, op)
    operator = getattr(dist.ReduceOp, op)
    for device in {"cpu", me.device}:
        x = inputs[me.rank].clone().to(device)
        dist.all_reduce(x, operator)
        assert torch.equal(x.cpu(), expected), (device, x, expected)
        x = inputs[me.rank].clone().to(device)
        dist.reduce(x, dst=1, op=operator)
        assert me.rank != 1 or torch.equal(x.cpu(), expected), device
    parts = torch.cat([values(me.rank + to, count, dtype, me.device) for to in range(me.size)])
    out = torch.empty(count, dtype=dtype, device=me.device)
    dist.reduce_scatter_single(out, parts, operator)
    expected = reduction([values(r + me.rank, count, dtype, "cpu") for r in range(me.size)], op)
    assert torch.equal(out.cpu(), expected), (out, expected)


def all_reductions(me, dtype, count):
    for op in ["SUM", "PRODUCT", "MIN", "MAX", "AVG"]:
        reduces(me, dtype, op, count)
    if not dtype.is_floating_point:
        for op in ["BAND", "BOR", "BXOR"]:
            reduces(me, dtype, op, count)


def moves(me, count):
    """Everything that copies, with the sizes of ranks equal and not."""
    mine = values(me.rank, count, torch.float32, me.device) + 10 * me.rank
    everyone = [values(r, count, torch.float32, me.device) + 10 * r for r in range(me.size)]
    x = mine.clone()
    dist.broadcast(x, 2)
    assert torch.equal(x, everyone[2])
    outs = [torch.empty_like(mine) for _ in range(me.size)]
    dist.all_gather(outs, mine)
    assert all(map(torch.equal, outs, everyone))
    flat = mine.new_empty(count * me.size)
    dist.all_gather_into_tensor(flat, mine)
    assert torch.equal(flat, torch.cat(everyone))
    uneven = [mine.new_empty(count + r) for r in range(me.size)]
    dist.all_gather(uneven, mine.new_full((count + me.rank,), me.rank))
    assert all(torch.equal(u, mine.new_full((count + r,), r)) for r, u in enumerate(uneven))
    outs = [torch.empty_like(mine) for _ in range(me.size)] if me.rank == 1 else None
    dist.gather(mine, outs, dst=1)
    assert outs is None or all(map(torch.equal, outs, everyone))
    x = torch.empty_like(mine)
    dist.scatter(x, everyone if me.rank == 0 else None, src=0)
    assert torch.equal(x, mine)
    # Rank r sends (r + 1) * (to + 1) * count / 7 elements to each rank.
    unit = max(1, count // 7)
    give = [(me.rank + 1) * (to + 1) * unit for to in range(me.size)]
    take = [(of + 1) * (me.rank + 1) * unit for of in range(me.size)]
    data = torch.cat([mine.new_full((n,), 100 * me.rank + to) for to, n in enumerate(give)])
    out = mine.new_empty(sum(take))
    dist.all_to_all_single(out, data, take, give)
    assert torch.equal(out, torch.cat([mine.new_full((n,), 100 * of + me.rank)
                                       for of, n in enumerate(take)]))
    dist.barrier()
    empty = mine.new_empty(0)
    dist.all_reduce(empty)
    dist.all_gather([mine.new_empty(0) for _ in range(me.size)], empty)


def messages(me, count):
    """Out of order by tag, before and after their receives, from anybody."""
    if me.rank == 0:
        tensors = [torch.full((count,), float(i)) for i in range(6)]
        works = [dist.isend(t, 1, tag=i % 3) for i, t in enumerate(tensors)]
        for work in works:
            work.wait()
        dist.recv(tensors[0], 1)
        assert tensors[0][0] == 42
    elif me.rank == 1:
        out = [torch.empty(count) for _ in range(6)]
        early = [dist.irecv(out[i], 0, tag=2) for i in (2, 5)]
        time.sleep(0.2)
        late = [dist.irecv(out[i], 0, tag=i % 3) for i in (1, 4, 0, 3)]
        for work in late + early:
            work.wait()
        assert [t[-1].item() for t in out] == [0, 1, 2, 3, 4, 5]
        dist.send(torch.full((count,), 42.0), 0)
    x = torch.empty(count)
    if me.rank == 2:
        assert sorted([dist.recv(x), dist.recv(x)]) == [0, 1]
    else:
        dist.send(torch.ones(count), 2)
    dist.barrier()


def both_ways(me, count):
    """Every rank sends to every other before it receives, while a collective runs."""
    ops = [dist.P2POp(dist.isend, torch.full((count,), float(me.rank), device=me.device), to)
           for to in range(me.size) if to != me.rank]
    outs = {of: torch.empty(count, device=me.device) for of in range(me.size) if of != me.rank}
    ops += [dist.P2POp(dist.irecv, out, of) for of, out in outs.items()]
    works = dist.batch_isend_irecv(ops)
    total = torch.ones(count, device=me.device)
    dist.all_reduce(total)
    for work in works:
        work.wait()
    assert all((out == of).all() for of, out in outs.items()) and (total == me.size).all()


@pytest.mark.parametrize("count", [SMALL, LARGE])
def test_reductions(ranks, count):
    ranks.run(transport_is_gloo)
    for dtype in INTEGERS + FLOATS:
        ranks.run(all_reductions, dtype, count)


@pytest.mark.parametrize("count", [SMALL, LARGE])
def test_moves(ranks, count):
    ranks.run(moves, count)


@pytest.mark.parametrize("count", [SMALL, LARGE])
def test_messages(ranks, count):
    ranks.run(messages, count)
    ranks.run(both_ways, count)


def different_sizes(me):
    me.init(timeout=30)
    with pytest.raises(RuntimeError, match=r"all_reduce.*(8 elements.*9|9 elements.*8)"):
        dist.all_reduce(torch.ones(8 + (me.rank == 1)))
    with pytest.raises(RuntimeError, match="9 elements"):
        dist.barrier()
    dist.destroy_process_group()


def wrong_message(me):
    me.init(timeout=30)
    if me.rank == 0:
        dist.send(torch.ones(4), 1)
    elif me.rank == 1:
        with pytest.raises(RuntimeError, match="12 bytes.*rank 0 sent 16 bytes"):
            dist.recv(torch.ones(3), 0)


def one_stays_away(me, late):
    """Rank 1 does not come in time, or dies."""
    me.init(timeout=2)
    dist.barrier()
    if me.rank == 1:
        if not late:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(8)
        with pytest.raises(RuntimeError):
            dist.barrier()
        return
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"all_reduce.*did not arrive: rank 1"):
        dist.all_reduce(torch.ones(1000))
    assert time.monotonic() - start < 30
    with pytest.raises(RuntimeError, match=r"did not arrive: rank 1"):
        dist.barrier()
    dist.destroy_process_group()


def receives_from_the_dead(me):
    me.init(timeout=60)
    dist.barrier()
    if me.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(RuntimeError, match="rank 1"):
        dist.recv(torch.ones(3), 1)


def test_different_calls_are_errors_on_all_ranks(strangers):
    strangers.run(different_sizes)


def test_message_of_another_size(strangers):
    strangers.run(wrong_message)


@pytest.mark.parametrize("late", [True, False], ids=["late", "killed"])
def test_missing_rank_is_named(strangers, late):
    outcomes = strangers.outcomes(one_stays_away, late)
    assert outcomes[0].ok and outcomes[2].ok, "\n".join(map(str, outcomes))
    assert outcomes[1].ok if late else outcomes[1].died == -signal.SIGKILL


def test_receive_from_a_killed_rank(strangers):
    outcomes = strangers.outcomes(receives_from_the_dead)
    assert outcomes[0].ok and outcomes[2].ok, "\n".join(map(str, outcomes))
