"""Indexing of the SYCL engine against the CPU: values, shapes, strides, gradients, errors of
indices that are out of range, and runs that must give the same bits."""

import pytest
import torch
import torch.nn.functional as F
from engine import sycl_only

pytestmark = sycl_only()

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
          torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64, torch.complex128]
TOLERANCE = {torch.bfloat16: 2e-2, torch.float16: 4e-3}


@pytest.fixture(autouse=True)
def no_fallback():
    before = torch.xpu_lite.fallbacks()
    yield
    assert torch.xpu_lite.fallbacks() == before


def make(shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_complex:
        return torch.randn(shape, generator=generator, dtype=dtype)
    return (torch.randn(shape, generator=generator) * 4).to(dtype)


def places(shape, size, seed=1, low=0):
    return torch.randint(low, size, shape, generator=torch.Generator().manual_seed(seed))


def on_device(x):
    """x there, with its strides (.to() makes sliced tensors dense)."""
    if x.numel() == 0:
        return x.to("xpu_lite")
    if 0 in x.stride():
        base = x[tuple(slice(0, 1 if s == 0 else None) for s in x.stride())]
        return base.to("xpu_lite").expand_as(x)
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="xpu_lite").copy_(x)


def same(function, *args, strides=True):
    """function(*args) on both devices; gives the device's result."""
    expected = function(*args)
    moved = [on_device(a) if torch.is_tensor(a) else a for a in args]
    actual = function(*moved)
    for a, e in zip(*((r,) if torch.is_tensor(r) else r for r in (actual, expected))):
        assert a.device.type == "xpu_lite" and a.dtype == e.dtype and a.shape == e.shape
        assert not strides or a.stride() == e.stride()
        t = TOLERANCE.get(e.dtype, 1e-5)
        torch.testing.assert_close(a.cpu(), e, rtol=t, atol=t, equal_nan=True)
    return actual


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype):
    x, rows = make((7, 5), dtype), make((4, 5), dtype, 3)
    i, along = torch.tensor([6, 0, 0, 3]), places((4, 5), 7)
    same(lambda x, i: x[i], x, i)
    same(lambda x, i: x[-i - 1, :2], x, i)
    same(lambda x, i: x.index_select(1, i), x, i % 5)
    same(lambda x, i: x.gather(0, i), x, along)
    same(lambda x, i: x.take(i), x, along)
    same(lambda x, r, i: x.clone().index_put_((i,), r, accumulate=True), x, rows, i)
    same(lambda x, r, i: x.clone().index_add_(0, i, r), x, rows, i)
    same(lambda x, r, i: x.clone().scatter_add_(0, i, r), x, rows, along)
    same(lambda x, r, i: x.clone().index_copy_(0, i, r), x, rows[:3], torch.tensor([5, 1, 2]))
    same(lambda x, i: x.clone().index_fill_(0, i, 1), x, i)
    same(lambda x, i: x.clone().scatter_(0, i, 1), x, along)
    same(lambda x, m: x.masked_fill(m, 1), x, make((7, 5)) > 0)
    same(lambda x, m: x[m], x, make((7, 5)) > 0)
    same(lambda x: x.nonzero(), x)
    same(lambda x: torch.cat([x, x[:2], x.flip(0)]), x)
    same(lambda x: x.tril(1), x)
    same(lambda x: x.triu(-1), x)
    same(lambda x: x.flip(0, 1), x)
    same(lambda x: x.roll((2, -1), (0, 1)), x)


LAYOUTS = {
    "dense": lambda x: x,
    "transposed": lambda x: x.transpose(0, -1),
    "sliced": lambda x: x[::2, 1:],
    "expanded": lambda x: x[:1].expand_as(x),
    "channels last": lambda x: x.to(memory_format=torch.channels_last) if x.dim() == 4 else x,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    for shape in ((6, 40), (6, 5, 40), (4, 3, 5, 33)):
        x = LAYOUTS[layout](make(shape))
        n = x.shape
        i, j = places((9,), n[0]), places((9,), n[1])
        same(lambda x, i: x[i], x, i)
        same(lambda x, i, j: x[i, j], x, i, j)
        same(lambda x, i, j: x[i[:, None], j], x, i, j)
        same(lambda x, i: x[:, i, None], x, j)
        same(lambda x, i: x[..., i], x, places((2, 3), n[-1]))
        same(lambda x, i: x.index_select(-1, i), x, places((70,), n[-1]))
        for dim in range(x.dim()):
            index = places(n, n[dim])
            same(lambda x, i, dim: x.gather(dim, i), x, index, dim)
            same(lambda x, i, dim: torch.zeros_like(x).scatter_add_(dim, i, x), x, index, dim)
            one = places((7,), n[dim])
            same(lambda x, i, dim: torch.zeros_like(x).index_add_(dim, i, x.index_select(dim, i)),
                 x, one, dim)
            same(lambda x, dim: torch.cat([x, x.narrow(dim, 0, 1), x], dim), x, dim)
            same(lambda x, dim: x.flip(dim), x, dim)
            same(lambda x, dim: x.roll(1, dim), x, dim)
        same(lambda x: x.tril(), x)
        same(lambda x, m: x.masked_fill(m, 7.0), x, make(n, seed=5) > 0)
        same(lambda x, m: x.masked_select(m), x, make(n[-1:], seed=5) > 0)
        same(lambda x: (x > 0).nonzero(), x)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bfloat16])
def test_scatter_reduce(reduce, include_self, dtype):
    x, src, index = make((6, 9), dtype), make((5, 9), dtype, 2), places((5, 9), 6)
    same(lambda x, s, i: x.scatter_reduce(0, i, s, reduce, include_self=include_self),
         x, src, index)
    if reduce != "sum":
        same(lambda x, s, i: x.index_reduce(0, i, s, reduce, include_self=include_self),
             x, src, index[:, 0])


def test_scatter_with_a_value_and_old_reductions():
    x, index = make((4, 6)), places((4, 6), 4)
    same(lambda x, i: x.scatter(0, i, x.flip(1)), x, torch.arange(4)[:, None].expand(4, 6).flip(0))
    for reduce in ("add", "multiply"):
        same(lambda x, i: x.scatter(0, i, 2.5, reduce=reduce), x, index)
        same(lambda x, i: x.scatter(0, i, x, reduce=reduce), x, index)


def test_put():
    x, index = make((5, 6)), places((3, 4), 30, low=-30)
    unique = torch.randperm(30, generator=torch.Generator().manual_seed(0))[:12].view(3, 4) - 30
    same(lambda x, i: x.clone().put_(i, x[:2].reshape(3, 4)), x, unique)
    same(lambda x, i: x.clone().put_(i, x[:2].reshape(3, 4), accumulate=True), x, index)
    same(lambda x, i: x.clone().t().put_(i, x[:2].reshape(3, 4)), x, unique)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_nothing(shape):
    x = torch.ones(shape)
    same(lambda x: x.nonzero(), x)
    same(lambda x, m: x[m], x, torch.ones(shape, dtype=torch.bool))
    same(lambda x: torch.cat([x, x]), x)
    same(lambda x: x.flip(0), x)
    same(lambda x: x.roll(1, 0), x)
    same(lambda x: x.tril() if x.dim() > 1 else x, x)
    none = torch.empty(0, dtype=torch.int64)
    same(lambda x, i: x.index_select(0, i), x, none)
    same(lambda x, i: x[i], x, none)
    same(lambda x, i: torch.ones(3, 2, device=i.device).index_add(0, i, torch.ones(
        0, 2, device=i.device)), x, none)


def test_scalars():
    x = torch.tensor(3.0)
    same(lambda x: x.nonzero(), x)
    same(lambda x: x[None].gather(0, torch.zeros(1, dtype=torch.int64, device=x.device)), x)
    same(lambda x: x.index_select(0, torch.zeros(1, dtype=torch.int64, device=x.device)), x)
    same(lambda x: x.masked_fill(torch.tensor(True, device=x.device), 1), x)
    same(lambda x: x[x > 1], x)
    assert torch.ones((), device="xpu_lite").item() == 1.0
    assert torch.tensor([7], device="xpu_lite").item() == 7
    assert torch.ones((), device="xpu_lite", dtype=torch.bool).is_nonzero()


def test_masks():
    x, mask = make((4, 5, 6)), make((4, 5), seed=3) > 0
    same(lambda x, m: x[m], x, mask)
    same(lambda x, m: x[m, 1:3], x, mask)

    def assign(x, m):
        x = x.clone()
        x[m] = 9
        x[:, 0][m[:, 0]] = x[:, 1][m[:, 0]]
        return x

    same(assign, x, mask)
    wide = mask[..., None].expand_as(x)
    same(lambda x, m: x.masked_scatter(m, x.flip(0)), x, wide)
    same(lambda x, m: x.masked_fill(m, x.sum()), x, wide)
    same(lambda x: torch.nonzero_static(x > 0, size=70, fill_value=-3), x)
    same(lambda x: torch.nonzero_static(x > 0, size=7), x)
    big = make((3, 70001)) > 1
    same(lambda m: m.nonzero(), big)
    same(lambda m: torch.where(m), big)
    assert torch.tensor([-0.0, 0.0, float("nan")], device="xpu_lite").nonzero().tolist() == [[2]]


def test_indices_of_many_kinds():
    x = make((5, 6, 7))
    same(lambda x: x[[0, 2], :, [1, 1]], x)
    same(lambda x, i: x[i.int()], x, places((3,), 5))
    same(lambda x, i: x[None, i, ..., 2], x, places((2, 2), 5))
    same(lambda x, i: x[i, i, i], x, places((4,), 5))
    same(lambda x, i: x.transpose(0, 2)[i, :, i], x, places((4,), 5))
    y = x.to("xpu_lite")
    assert torch.equal(y[torch.tensor([1, 4])].cpu(), x[torch.tensor([1, 4])])  # index on the CPU


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("columns", [3, 64, 768])
def test_embedding(dtype, columns):
    table, index = make((50, columns), dtype), places((6, 33), 50)

    def run(table, index, padding_idx, by_freq):
        table = table.clone().requires_grad_()
        out = F.embedding(index, table, padding_idx=padding_idx, scale_grad_by_freq=by_freq)
        out.float().mul(torch.arange(columns, device=out.device) + 1.0).sum().backward()
        return out.detach(), table.grad

    same(run, table, index, None, False)
    same(run, table, index.int(), 4, False)
    same(run, table, index, None, True)
    same(lambda t, i: F.embedding(i, t.clone(), max_norm=1.0), table, index)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2])
def test_embedding_bag(mode, padding_idx):
    table, index = make((20, 9)), places((30,), 20)
    offsets = torch.tensor([0, 4, 4, 11, 29])

    def run(table, index, offsets):
        table = table.clone().requires_grad_()
        out = F.embedding_bag(index, table, offsets, mode=mode, padding_idx=padding_idx)
        out.mul(torch.arange(9, device=out.device) + 1.0).sum().backward()
        return out.detach(), table.grad

    same(run, table, index, offsets)
    same(lambda t, i: F.embedding_bag(i.view(5, 6), t, mode=mode), table, index)


def test_embedding_bag_weights():
    def run(table, index, weights):
        weights = weights.clone().requires_grad_()
        out = F.embedding_bag(index, table, torch.tensor([0, 3], device=index.device),
                              mode="sum", per_sample_weights=weights)
        out.square().sum().backward()
        return out.detach(), weights.grad

    same(run, make((20, 9)), places((30,), 20), make((30,), seed=8))


def test_gradients():
    x, index = make((5, 8)), places((5, 8), 5)

    def run(x, index):
        x = x.clone().requires_grad_()
        y = x[index[:, 0]] * 2 + x.gather(0, index).sin() + x.index_select(0, index[:, 1])
        y = y + x.masked_fill(x > 0, 0.5) + x.tril() + x.flip(1) + x.roll(1, 0)
        y = torch.cat([y, x.unfold(1, 3, 2).flatten(1)], 1)
        y.square().sum().backward()
        return x.grad

    same(run, x, index)


def test_the_same_bits_at_each_run():
    x = torch.randn(20000, 3, device="xpu_lite")
    index = torch.randint(50, (20000,), device="xpu_lite")
    wide = index[:, None].expand(-1, 3)
    for run in (
        lambda: torch.zeros(50, 3, device="xpu_lite").index_add_(0, index, x),
        lambda: torch.zeros(50, 3, device="xpu_lite").scatter_add_(0, wide, x),
        lambda: torch.zeros(50, 3, device="xpu_lite").index_put_((index,), x, accumulate=True),
        lambda: torch.ops.aten.embedding_dense_backward(x, index, 50, -1, False),
    ):
        first = run()
        assert all(torch.equal(run(), first) for _ in range(3))
        torch.testing.assert_close(first.cpu(), torch.zeros(50, 3).index_add_(
            0, index.cpu(), x.cpu()), rtol=1e-4, atol=1e-3)


def test_deterministic_mode_keeps_the_last_value():
    index = torch.tensor([3, 1, 3, 3, 1])
    values = torch.arange(5.0)
    torch.use_deterministic_algorithms(True)
    try:
        for put in (
            lambda x, i, v: x.index_put_((i,), v),
            lambda x, i, v: x.scatter_(0, i, v),
            lambda x, i, v: x.index_copy_(0, i, v),
        ):
            same(put, torch.zeros(5), index, values)
    finally:
        torch.use_deterministic_algorithms(False)


OUT_OF_RANGE = {
    "index": lambda x, i: x[i],
    "index_put_": lambda x, i: x.index_put_((i,), x[:1].clone()),
    "index_put_ accumulate": lambda x, i: x.index_put_((i,), x[:1].clone(), accumulate=True),
    "index_select": lambda x, i: x.index_select(0, i),
    "index_add": lambda x, i: x.index_add_(0, i, x[:1].clone()),
    "index_copy_": lambda x, i: x.index_copy_(0, i, x[:1].clone()),
    "index_fill_": lambda x, i: x.index_fill_(0, i, 1.0),
    "index_reduce": lambda x, i: x.index_reduce_(0, i, x[:1].clone(), "amax"),
    "gather": lambda x, i: x.gather(0, i[:, None]),
    "scatter": lambda x, i: x.scatter_(0, i[:, None], 1.0),
    "scatter_add": lambda x, i: x.scatter_add_(0, i[:, None], x.clone()),
    "scatter_reduce": lambda x, i: x.scatter_reduce_(0, i[:, None], x.clone(), "amax"),
    "embedding": lambda x, i: F.embedding(i, x),
    "take": lambda x, i: x.take(i),
    "put_": lambda x, i: x.put_(i, x[0, :1].clone()),
    "embedding_bag": lambda x, i: F.embedding_bag(i, x, torch.tensor([0], device=i.device)),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
@pytest.mark.parametrize("bad", [50, -51, 2**40])
def test_out_of_range(name, bad):
    x, index = torch.ones(3, 3), torch.tensor([bad])
    with pytest.raises((IndexError, RuntimeError)) as expected:
        OUT_OF_RANGE[name](x.clone(), index)
    y, index = x.to("xpu_lite"), index.to("xpu_lite")
    with pytest.raises(expected.type, match=f"(?i)ind.*{bad}"):
        OUT_OF_RANGE[name](y, index)
        torch.xpu_lite.synchronize()
    torch.xpu_lite.synchronize()  # the error was told once
    assert torch.equal(y.cpu(), x)  # and nothing was written
    assert (y + 1).sum().item() == 18


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_long_rows(dtype):
    x = make((6, 5, 4, 1500), dtype)
    for dim in range(3):
        i, n = places((3,), x.shape[dim]), list(x.shape)
        n[dim] = 3
        same(lambda x, i, dim: x.index_select(dim, i), x, i, dim)
        same(lambda x, i, dim: x.index_select(dim, i.int()), x.transpose(0, 1), i.clamp(max=3), dim)
        same(lambda x, i, s, dim: x.clone().index_copy_(dim, i, s), x,
             torch.randperm(x.shape[dim])[:3], make(n, dtype, seed=3), dim)
    for dim in range(4):
        same(lambda x, i, dim: x.gather(dim, i), x, places(x.shape, x.shape[dim]), dim)
        same(lambda x, i, dim: x.gather(dim, i), x[..., 1:70],
             places((6, 5, 4, 69), x[..., 1:70].shape[dim]), dim)
    table = x.view(-1, 1500)
    same(lambda w, i: F.embedding(i, w), table, places((2, 30), 120))
    same(lambda x, i: x[i - 60], table, places((30,), 120))
    same(lambda x, m: x.masked_fill(m, 3), x, make(x.shape, seed=5) > 0)
    same(lambda x, m: x.masked_fill(m, 3), x[..., ::2], make((1500,), seed=5)[::2] > 0)


@pytest.mark.parametrize("name", ["index", "index_select", "index_copy_", "embedding", "gather"])
def test_long_rows_out_of_range(name):
    x, index = torch.ones(3, 100), torch.tensor([2**33])
    call = OUT_OF_RANGE[name]
    if name == "gather":
        call = lambda x, i: x.gather(0, i[:, None].expand(1, 100))  # noqa: E731
    with pytest.raises((IndexError, RuntimeError)) as expected:
        call(x.clone(), index)
    y = x.to("xpu_lite")
    with pytest.raises(expected.type, match="(?i)ind.*8589934592"):
        call(y, index.to("xpu_lite"))
        torch.xpu_lite.synchronize()
    assert torch.equal(y.cpu(), x)


def test_wrong_arguments():
    x = torch.ones(3, 4, device="xpu_lite")
    i = torch.zeros(2, dtype=torch.int64, device="xpu_lite")
    for call in (
        lambda: x.index_select(0, i.float()),
        lambda: x.index_select(0, i[None]),
        lambda: x.index_select(2, i),
        lambda: x.gather(0, i),
        lambda: x.masked_fill(x, 1),
        lambda: x.masked_fill(i > 0, 1),
        lambda: x.masked_scatter(x > 0, x[:1]),
        lambda: x[torch.ones(5, dtype=torch.bool, device="xpu_lite")],
        lambda: x[i, i, i],
        lambda: torch.cat([x, x[:, :1]]),
        lambda: x.index_add(0, i, x),
        lambda: x[0].tril(),
        lambda: x.gather(0, torch.zeros(1, 1, dtype=torch.int64)),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            call()


def test_triangles():
    for rows, columns in ((4, 4), (3, 7), (7, 3), (0, 3), (1, 1)):
        for offset in range(-8, 9):
            for make_indices in (torch.tril_indices, torch.triu_indices):
                for dtype in (torch.int64, torch.int32):
                    expected = make_indices(rows, columns, offset, dtype=dtype)
                    actual = make_indices(rows, columns, offset, dtype=dtype, device="xpu_lite")
                    assert torch.equal(actual.cpu(), expected)
            same(lambda x, k: x.tril(k), make((2, rows, columns)), offset)
            same(lambda x, k: x.clone().triu_(k), make((rows, columns)), offset)
    same(lambda x: x.trace(), make((4, 6)))
    same(lambda x: x.diag(), make((4, 6)))
    same(lambda x: x.diag(), make((4,)))
    same(lambda x: torch.diag_embed(x, 1), make((2, 4)))


def test_cat():
    x = make((2, 3, 4, 5))
    last = x.to(memory_format=torch.channels_last)
    same(lambda x: torch.cat([x, x], 1), last)
    same(lambda x: torch.cat([x.int(), x], 0), x)
    same(lambda x: torch.cat([x.new_empty(0), x], 0), x)
    same(lambda x: torch.stack([x, x * 2], 2), x)
    same(lambda x: torch.cat([x.cfloat().conj(), x], 2), x)
    same(lambda x: torch.cat([x[:1]] * 40, -1), x)
    same(lambda x: torch.hstack([x, x]), x)
    out = torch.empty(4, 3, 4, 5, device="xpu_lite")
    torch.cat([x.to("xpu_lite")] * 2, out=out)
    assert torch.equal(out.cpu(), torch.cat([x, x]))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "constant"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_pad(mode, dtype):
    for shape, padding in (((2, 3, 7), (2, 3)), ((3, 6, 7), (1, 2)), ((2, 3, 5, 7), (2, 4, 3, 1)),
                           ((2, 2, 4, 5, 6), (1, 2, 3, 0, 2, 1))):
        def run(x):
            x = x.clone().requires_grad_()
            y = F.pad(x, padding, mode=mode)
            (y * torch.arange(y.numel(), device=y.device).view(y.shape)).abs().sum().backward()
            return y.detach(), x.grad

        if mode in ("reflect", "replicate", "circular") and len(padding) != 2 * (len(shape) - 2):
            continue
        if dtype == torch.bfloat16:
            same(lambda x: F.pad(x, padding, mode=mode), make(shape, dtype))
        else:
            same(run, make(shape, dtype))


def test_unfold_and_fold():
    x = make((2, 3, 9, 10))

    def run(x):
        x = x.clone().requires_grad_()
        y = F.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=2)
        z = F.fold(y, (9, 10), (3, 2), dilation=(1, 2), padding=1, stride=2)
        (y.square().sum() + z.sin().sum()).backward()
        return y.detach(), z.detach(), x.grad

    same(run, x)
    same(lambda x: F.unfold(x[0], 2), x)


def test_repeat_interleave():
    x, repeats = make((4, 3)), torch.tensor([0, 3, 1, 2])
    same(lambda x, r: x.repeat_interleave(r, 0), x, repeats)
    same(lambda x: x.repeat_interleave(2, 1), x)
    with pytest.raises(RuntimeError, match="negative"):
        torch.repeat_interleave(torch.tensor([1, -1], device="xpu_lite"))


def test_counts():
    values, weights = places((1000,), 37), make((1000,))
    same(lambda v: v.bincount(), values)
    same(lambda v, w: v.bincount(w, minlength=50), values, weights)
    same(lambda w: w.histc(13), weights)
    same(lambda w: w.histc(5, -1, 2), weights)
    same(lambda v: F.one_hot(v[:9]), values)
    same(lambda v: v.count_nonzero(), values)
    same(lambda v: v.view(10, 100).count_nonzero(1), values)
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.bincount(torch.tensor([1, -1], device="xpu_lite"))
    x = weights.to("xpu_lite")
    assert torch.equal(x, x.clone()) and not torch.equal(x, x + 1)
