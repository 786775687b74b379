"""Every collective, with every dtype and reduction, against results computed locally."""

import pytest
import torch
import torch.distributed as dist
from ranks import BACKEND, DEVICE, Ranks

INTEGERS = [
    torch.uint8, torch.int8, torch.uint16, torch.int16,
    torch.uint32, torch.int32, torch.uint64, torch.int64,
]
FLOAT8 = [
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
    torch.float8_e8m0fnu,
]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, *FLOAT8]
COMPLEX = [torch.complex32, torch.complex64, torch.complex128]
DTYPES = [torch.bool, *INTEGERS, *FLOATS, *COMPLEX]

OPS = ["SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR", "PREMUL_SUM"]
BITWISE = {"BAND", "BOR", "BXOR"}
FACTOR = 2.0
KINDS = list(dict.fromkeys([DEVICE, "cpu"]))


@pytest.fixture(scope="module", params=[1, 2, 4], ids="{}-ranks".format)
def ranks(request):
    with Ranks(request.param, init=True) as ranks:
        yield ranks


def reduce_op(name):
    if name == "PREMUL_SUM":
        return dist._make_nccl_premul_sum(FACTOR)
    return getattr(dist.ReduceOp, name)


def meaningful(dtype, op):
    """Whether the reduction has a meaning for the dtype."""
    if dtype == torch.bool:
        return op not in ("AVG", "PREMUL_SUM")
    if dtype.is_complex:
        return op not in BITWISE and op not in ("MIN", "MAX")
    return not dtype.is_floating_point or op not in BITWISE


def data(rank, shape, dtype, seed=0):
    """What `rank` contributes: small numbers, so that the dtype holds the results."""
    generator = torch.Generator().manual_seed(1000 * seed + rank)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    if dtype.is_complex:
        parts = torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
        return torch.view_as_complex(parts).to(dtype)
    if dtype == torch.float8_e8m0fnu:  # powers of two alone
        return torch.randint(-3, 4, shape, generator=generator).float().exp2().to(dtype)
    if dtype in FLOAT8:
        return (torch.randint(-8, 9, shape, generator=generator) / 4).to(dtype)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    low = -3 if dtype.is_signed else 0
    return torch.randint(low, 4, shape, generator=generator).to(dtype)


def wide(dtype):
    """What the reduction is computed in."""
    if dtype.is_complex:
        return torch.complex64 if dtype == torch.complex32 else dtype
    if dtype.is_floating_point:
        return dtype if dtype.itemsize >= 4 else torch.float32
    return torch.int64


def reduced(inputs, op):
    """The reduction of all ranks' inputs, rounded once."""
    dtype = inputs[0].dtype
    inputs = [x.to(wide(dtype)) for x in inputs]
    result = inputs[0] * FACTOR if op == "PREMUL_SUM" else inputs[0].clone()
    for x in inputs[1:]:
        if op in ("SUM", "AVG"):
            result = result + x
        elif op == "PREMUL_SUM":
            result = result + x * FACTOR
        elif op == "PRODUCT":
            result = result * x
        elif op in ("MIN", "MAX"):
            result = (torch.minimum if op == "MIN" else torch.maximum)(result, x)
        else:
            name = {"BAND": "and", "BOR": "or", "BXOR": "xor"}[op]
            result = getattr(torch, f"bitwise_{name}")(result, x)
    if op == "AVG":
        if dtype.is_complex or dtype.is_floating_point:
            result = result / len(inputs)
        else:
            result = torch.div(result, len(inputs), rounding_mode="trunc")
    if dtype == torch.bool:
        return result != 0
    return result.to(wide(dtype)).to(dtype)


def check(actual, expected, what):
    assert actual.dtype == expected.dtype and actual.shape == expected.shape, what
    actual, expected = actual.cpu(), expected.cpu()
    dtype = actual.dtype
    if dtype in FLOAT8:
        actual, expected = actual.float(), expected.float()
    if dtype == torch.complex32:
        actual, expected = actual.to(torch.complex64), expected.to(torch.complex64)
    if dtype in (torch.uint16, torch.uint32, torch.uint64):
        actual, expected = actual.to(torch.int64), expected.to(torch.int64)
    # One unit in the last place: the order of additions is the transport's choice.
    unit = {torch.bfloat16: 2**-7, torch.float16: 2**-10, torch.complex32: 2**-10}.get(dtype)
    if unit and BACKEND == "gloo":
        unit *= 8  # it rounds after every addition
    limits = dict(rtol=unit, atol=unit / 8) if unit else {}
    torch.testing.assert_close(actual, expected, **limits, msg=lambda m: f"{what}: {m}")


def pieces(x, size):
    return [piece.clone() for piece in x.chunk(size)] if x.numel() else [x.clone()] * size


# Reductions


def reductions(me, kind, op, shapes):
    for dtype in DTYPES:
        if not meaningful(dtype, op):
            continue
        for seed, shape in enumerate(shapes):
            try:
                reductions_of(me, kind, op, dtype, shape, seed)
            except RuntimeError as error:
                if BACKEND != "gloo":
                    raise RuntimeError(f"{op} of {dtype} {shape}: {error}") from error


def reductions_of(me, kind, op, dtype, shape, seed):
    what = f"{op} {dtype} {shape}"
    everybody = [data(r, shape, dtype, seed) for r in range(me.size)]
    expected = reduced(everybody, op)

    def mine():
        return everybody[me.rank].clone().to(kind)

    # Python's all_reduce refuses products of complex numbers before it asks a backend.
    if not (dtype.is_complex and op == "PRODUCT"):
        x = mine()
        dist.all_reduce(x, op=reduce_op(op))
        check(x, expected, f"all_reduce {what}")

        x = mine()
        root = seed % me.size
        dist.reduce(x, dst=root, op=reduce_op(op))
        if me.rank == root:
            check(x, expected, f"reduce {what}")

    x = mine()
    options = dist.AllreduceOptions()
    options.reduceOp = reduce_op(op)
    dist.group.WORLD.allreduce([x], options).wait()
    check(x, expected, f"ProcessGroup.allreduce {what}")

    # Every rank gets one piece of `size` pieces along a new dimension.
    everybody = [data(r, (me.size, *shape), dtype, seed) for r in range(me.size)]
    expected = reduced([x[me.rank] for x in everybody], op)
    whole = everybody[me.rank].to(kind)
    out = torch.empty(shape, dtype=dtype, device=kind)
    dist.reduce_scatter(out, [piece.contiguous() for piece in whole], op=reduce_op(op))
    check(out, expected, f"reduce_scatter {what}")
    out = torch.empty((1, *shape), dtype=dtype, device=kind)
    dist.reduce_scatter_tensor(out, whole, op=reduce_op(op))
    check(out[0], expected, f"reduce_scatter_tensor {what}")


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("kind", KINDS)
def test_reductions(ranks, kind, op):
    ranks.run(reductions, kind, op, [(17,), (3, 5), (0,), (1,)])


def large_reductions(me, kind, count):
    for dtype in (torch.float32, torch.bfloat16, torch.int8, torch.float64):
        reductions_of(me, kind, "SUM", dtype, (count,), seed=1)
    reductions_of(me, kind, "AVG", torch.float16, (count,), seed=2)


@pytest.mark.parametrize("count", [1021, 4096, 65_537, 250_007])
def test_large_reductions(ranks, count):
    ranks.run(large_reductions, DEVICE, count)


def meaningless(me, kind):
    for dtype in DTYPES:
        for op in OPS:
            if meaningful(dtype, op):
                continue
            x = data(me.rank, (4,), dtype).to(kind)
            before = x.clone()
            options = dist.AllreduceOptions()
            options.reduceOp = reduce_op(op)
            with pytest.raises((ValueError, RuntimeError, TypeError)) as caught:
                dist.group.WORLD.allreduce([x], options).wait()
            assert op.lower().replace("_", "") in str(caught.value).lower().replace("_", ""), (
                f"{op} of {dtype}: {caught.value}")
            check(x, before, f"{op} of {dtype} left its input")
    x = torch.ones(4, device=kind)
    dist.all_reduce(x)  # the group still works
    assert x.tolist() == [me.size] * 4


@pytest.mark.skipif(BACKEND == "gloo", reason="what xpulite refuses")
@pytest.mark.parametrize("kind", KINDS)
def test_meaningless_reductions_are_refused(ranks, kind):
    ranks.run(meaningless, kind)


def sums_in_float32(me):
    for dtype, big in ((torch.bfloat16, 256.0), (torch.float16, 2048.0)):
        x = torch.full((100,), big if me.rank == 0 else 1.0, dtype=dtype, device=me.device)
        dist.all_reduce(x)
        exact = torch.tensor(big + me.size - 1).to(dtype)
        assert x.tolist() == [exact.item()] * 100, (dtype, x[0], exact)


@pytest.mark.skipif(BACKEND == "gloo", reason="gloo adds in bfloat16")
def test_half_is_summed_in_float32(ranks):
    # In bfloat16 256 + 1 is 256, however often 1 is added.
    ranks.run(sums_in_float32)


def same_bits(me, count):
    x = data(me.rank, (count,), torch.float32).to(me.device)
    dist.all_reduce(x)
    copies = [torch.empty_like(x) for _ in range(me.size)]
    dist.all_gather(copies, x)
    assert all(torch.equal(copy.view(torch.int32), x.view(torch.int32)) for copy in copies)


@pytest.mark.parametrize("count", [3, 1000, 300_001])
def test_all_ranks_get_the_same_bits(ranks, count):
    ranks.run(same_bits, count)


def special_values(me):
    inf, nan = float("inf"), float("nan")
    mine = torch.tensor([nan, 1.0, inf, -0.0] if me.rank == 0 else [1.0, nan, -inf, 0.0])
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        for op in ("MIN", "MAX", "SUM"):
            x = mine.to(me.device, dtype)
            dist.all_reduce(x, op=reduce_op(op))
            x = x.float().cpu()
            one = me.size == 1
            assert x[0].isnan() and (one or x[1].isnan()), (dtype, op, x)
            assert one or op != "SUM" or x[2].isnan(), (dtype, op, x)
            if not one and op != "SUM":
                assert x[2] == (inf if op == "MAX" else -inf), (dtype, op, x)


@pytest.mark.skipif(BACKEND == "gloo", reason="gloo's MIN and MAX drop NaN")
def test_nan_and_infinity(ranks):
    ranks.run(special_values)


def wraps(me):
    for dtype in (torch.int8, torch.uint8, torch.int32, torch.int64):
        high = torch.iinfo(dtype).max
        x = torch.full((70,), high, dtype=dtype, device=me.device)
        dist.all_reduce(x)
        expected = torch.full((70,), high, dtype=dtype)
        for _ in range(me.size - 1):
            expected += high
        check(x, expected, f"overflow of {dtype}")


def test_integers_wrap(ranks):
    ranks.run(wraps)


# Movement


def moves(me, kind, dtype, shape):
    everybody = [data(r, shape, dtype) for r in range(me.size)]
    mine, what = everybody[me.rank].to(kind), f"{dtype} {shape}"

    def empty(*lead):
        return torch.empty((*lead, *shape), dtype=dtype, device=kind)

    for root in {0, me.size - 1}:
        x = mine.clone()
        dist.broadcast(x, src=root)
        check(x, everybody[root], f"broadcast {what}")
        outs = [empty() for _ in range(me.size)] if me.rank == root else None
        dist.gather(mine, outs, dst=root)
        for r, out in enumerate(outs or []):
            check(out, everybody[r], f"gather {what}")
        x = empty()
        ins = [e.to(kind) for e in everybody] if me.rank == root else None
        dist.scatter(x, ins, src=root)
        check(x, everybody[me.rank], f"scatter {what}")

    outs = [empty() for _ in range(me.size)]
    dist.all_gather(outs, mine)
    for r, out in enumerate(outs):
        check(out, everybody[r], f"all_gather {what}")
    out = empty(me.size)
    dist.all_gather_into_tensor(out.view(-1), mine.view(-1))
    check(out, torch.stack(everybody), f"all_gather_into_tensor, concatenated {what}")
    if BACKEND != "gloo":
        out = empty(me.size)
        dist.all_gather_into_tensor(out, mine)
        check(out, torch.stack(everybody), f"all_gather_into_tensor, stacked {what}")

    everybody = [data(r, (me.size, *shape), dtype, seed=1) for r in range(me.size)]
    ins = [x.contiguous() for x in everybody[me.rank].to(kind)]
    outs = [empty() for _ in range(me.size)]
    dist.all_to_all(outs, ins)
    for r, out in enumerate(outs):
        check(out, everybody[r][me.rank], f"all_to_all {what}")
    out = empty(me.size)
    dist.all_to_all_single(out, everybody[me.rank].to(kind))
    check(out, torch.stack([x[me.rank] for x in everybody]), f"all_to_all_single {what}")

    if me.size > 1:
        after, before = (me.rank + 1) % me.size, (me.rank - 1) % me.size
        out = empty()
        work = dist.isend(mine, after)
        dist.recv(out, before)
        work.wait()
        check(out, data(before, shape, dtype), f"send and recv {what}")


@pytest.mark.parametrize("kind", KINDS)
def test_movement(ranks, kind):
    ranks.run(all_moves, kind)


def all_moves(me, kind):
    for dtype in DTYPES:
        for shape in ((7,), (2, 3), (1,), (0,), ()):
            try:
                moves(me, kind, dtype, shape)
            except RuntimeError as error:
                if BACKEND != "gloo":
                    raise RuntimeError(f"{dtype} {shape}: {error}") from error


def large_moves(me, count):
    moves(me, me.device, torch.float32, (count,))
    moves(me, me.device, torch.uint8, (count + 1,))


@pytest.mark.parametrize("count", [1000, 65_537, 300_001])
def test_large_movement(ranks, count):
    ranks.run(large_moves, count)


def uneven(me, kind):
    # Rank r sends r + c + 1 rows to rank c; some send nothing.
    def rows(source, target):
        return 0 if (source, target) == (0, me.size - 1) else source + target + 1

    sends = [rows(me.rank, c) for c in range(me.size)]
    receives = [rows(c, me.rank) for c in range(me.size)]
    everybody = [data(r, (sum(rows(r, c) for c in range(me.size)), 3), torch.float32)
                 for r in range(me.size)]
    parts = [e.split([rows(r, c) for c in range(me.size)]) for r, e in enumerate(everybody)]
    expected = torch.cat([parts[r][me.rank] for r in range(me.size)])
    out = torch.empty_like(expected, device=kind)
    dist.all_to_all_single(out, everybody[me.rank].to(kind), receives, sends)
    check(out, expected, "all_to_all_single with uneven splits")
    outs = [torch.empty(n, 3, device=kind) for n in receives]
    dist.all_to_all(outs, [p.to(kind).contiguous() for p in parts[me.rank]])
    check(torch.cat(outs), expected, "all_to_all of uneven sizes")

    # all_gather and reduce_scatter of lists whose tensors differ in size.
    if BACKEND == "gloo":
        return
    outs = [torch.empty(r + 1, 2, device=kind) for r in range(me.size)]
    dist.all_gather(outs, data(me.rank, (me.rank + 1, 2), torch.float32).to(kind))
    for r, out in enumerate(outs):
        check(out, data(r, (r + 1, 2), torch.float32), "all_gather of uneven sizes")
    ins = [[data(r, (c + 1, 2), torch.float32, seed=c) for c in range(me.size)]
           for r in range(me.size)]
    out = torch.empty(me.rank + 1, 2, device=kind)
    dist.reduce_scatter(out, [x.to(kind) for x in ins[me.rank]])
    check(out, reduced([ins[r][me.rank] for r in range(me.size)], "SUM"),
          "reduce_scatter of uneven sizes")


@pytest.mark.parametrize("kind", KINDS)
def test_uneven_sizes(ranks, kind):
    ranks.run(uneven, kind)


def strided(me, kind):
    """Outputs and inputs that are not dense: columns, every other element, expanded."""
    base = data(me.rank, (6, 8), torch.float32)
    views = {
        "transposed": lambda t: t.t(),
        "step": lambda t: t[:, ::2],
        "column": lambda t: t[:, 3],
        "channels_last": lambda t: t.reshape(1, 3, 4, 4).to(memory_format=torch.channels_last),
    }
    for name, view in views.items():
        everybody = [view(data(r, (6, 8), torch.float32)) for r in range(me.size)]
        total = reduced(everybody, "SUM")
        whole = base.clone().to(kind)
        x = view(whole)
        dist.all_reduce(x)
        check(x, total, f"all_reduce {name}")
        if name == "step":
            check(whole[:, 1::2], base[:, 1::2], "what lies between stays")
        x = view(base.clone().to(kind))
        dist.broadcast(x, src=me.size - 1)
        check(x, everybody[-1], f"broadcast {name}")
        x = view(base.clone().to(kind))
        outs = [torch.empty_like(e).to(kind) for e in everybody]
        dist.all_gather(outs, x)
        for out, e in zip(outs, everybody):
            check(out, e, f"all_gather {name}")
        if me.size > 1:
            work = dist.isend(x, (me.rank + 1) % me.size)
            out = view(torch.zeros_like(base).to(kind))
            dist.recv(out, (me.rank - 1) % me.size)
            work.wait()
            check(out, everybody[me.rank - 1], f"send and recv {name}")


@pytest.mark.skipif(BACKEND == "gloo", reason="gloo wants contiguous tensors")
@pytest.mark.parametrize("kind", KINDS)
def test_strided_tensors(ranks, kind):
    ranks.run(strided, kind)


def in_place(me):
    everybody = [data(r, (me.size, 50), torch.float32) for r in range(me.size)]
    x = torch.zeros(me.size, 50, device=me.device)
    x[me.rank] = everybody[me.rank][0].to(me.device)
    dist.all_gather_into_tensor(x.view(-1), x[me.rank])
    check(x, torch.stack([e[0] for e in everybody]), "all_gather_into_tensor in place")
    x = everybody[me.rank].to(me.device)
    dist.reduce_scatter_tensor(x[me.rank], x.view(-1))
    check(x[me.rank], reduced([e[me.rank] for e in everybody], "SUM"), "reduce_scatter in place")


def test_in_place(ranks):
    ranks.run(in_place)


def views_of_one_storage(me):
    """DDP's buckets and FSDP's flat parameters: pieces of one tensor, with offsets."""
    flat = torch.zeros(1000, device=me.device)
    for begin, end in ((1, 8), (33, 500), (500, 999)):
        piece = flat[begin:end]
        piece.fill_(me.rank + 1)
        dist.all_reduce(piece)
    total = me.size * (me.size + 1) / 2
    assert flat[0] == 0 and flat[999] == 0 and flat[8] == 0
    assert (flat[33:999] == total).all() and (flat[1:8] == total).all()


def test_views_of_one_storage(ranks):
    ranks.run(views_of_one_storage)
