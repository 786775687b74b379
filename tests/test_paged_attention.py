"""Decoding from a key/value cache in pages, against attention over each sequence's own keys."""

import pytest
import torch
import torch.nn.functional as F
from engine import host_only
from torch_xpu_lite import PagedCache

DEVICE = "xpu_lite"
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9, torch.bfloat16: 2e-2, torch.float16: 3e-3}


def attend(query, keys, values, scale=None, bias=None):
    """query [heads, width], keys and values [length, kv_heads, width]: one sequence on the CPU."""
    keys, values = (t.double().transpose(0, 1).unsqueeze(0) for t in (keys, values))
    mask = None if bias is None else bias.double()
    return F.scaled_dot_product_attention(query.double()[None, :, None], keys, values, mask,
                                          scale=scale, enable_gqa=True)[0, :, 0]


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("rows, heads, kv_heads, width, value_width", [
    (16, 4, 4, 64, 64), (32, 8, 2, 32, 96), (5, 4, 1, 24, 8)])
def test_sequences_that_grow_and_end(dtype, rows, heads, kv_heads, width, value_width):
    torch.manual_seed(0)
    cache = PagedCache(40, rows, kv_heads, width, value_width=value_width, dtype=dtype,
                       device=DEVICE)
    kept = {}

    def append(names):
        key = torch.randn(len(names), kv_heads, width).to(dtype)
        value = torch.randn(len(names), kv_heads, value_width).to(dtype)
        cache.append(names, key.to(DEVICE), value.to(DEVICE))
        for i, name in enumerate(names):
            old = kept.get(name, (key[:0], value[:0]))
            kept[name] = (torch.cat([old[0], key[i:i + 1]]), torch.cat([old[1], value[i:i + 1]]))

    append(["a"] * 37 + ["b"] * 5)
    for step in range(12):
        names = [n for n in ("a", "b", "c", "d") if n in kept or step % 4 == ord(n) % 4]
        append(names)
        query = torch.randn(len(names), heads, width).to(dtype)
        got = cache.attend(names, query.to(DEVICE)).cpu()
        want = torch.stack([attend(q, *kept[n]) for q, n in zip(query, names)])
        torch.testing.assert_close(got.double(), want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
        if step == 6:
            cache.free("a")
            del kept["a"]
    assert all(cache.length(n) == len(k) for n, (k, _) in kept.items())
    for name in list(kept):
        cache.free(name)
    assert cache.free_pages == 40


def pages_of(dtype=torch.float32, device=DEVICE):
    torch.manual_seed(1)
    query = torch.randn(2, 4, 32, dtype=dtype)
    key_cache, value_cache = (torch.randn(6, 2, 16, 32, dtype=dtype) for _ in range(2))
    table = torch.tensor([[3, 1, 0], [5, 2, 4]], dtype=torch.int32)
    lengths = torch.tensor([40, 7], dtype=torch.int32)
    return [t.to(device) for t in (query, key_cache, value_cache, table, lengths)]


def test_the_cpu_composes_the_same():
    bias = torch.randn(2, 4, 1, 48)
    for options in ({}, {"scale": 0.3}, {"bias": bias}):
        on_device = {k: v.to(DEVICE) if k == "bias" else v for k, v in options.items()}
        got = torch.ops.xpu_lite.paged_attention(*pages_of(), **on_device)
        want = torch.ops.xpu_lite.paged_attention(*pages_of(device="cpu"), **options)
        torch.testing.assert_close(got.cpu(), want, rtol=2e-5, atol=2e-5)


def test_entries_beyond_the_length_are_not_looked_at():
    query, keys, values, table, lengths = pages_of()
    want = torch.ops.xpu_lite.paged_attention(query, keys, values, table, lengths)
    table[1, 1:] = 10**6
    assert torch.equal(torch.ops.xpu_lite.paged_attention(query, keys, values, table, lengths), want)


def test_an_empty_sequence_gives_zeros():
    for device in (DEVICE, "cpu"):
        query, keys, values, table, lengths = pages_of(device=device)
        lengths[1] = 0
        out = torch.ops.xpu_lite.paged_attention(query, keys, values, table, lengths)
        assert (out[1] == 0).all() and out[0].isfinite().all()


def test_negative_slots_are_padding():
    for device in (DEVICE, "cpu"):
        cache = torch.zeros(2, 1, 4, 8, device=device)
        other = torch.zeros_like(cache)
        key = torch.ones(3, 1, 8, device=device)
        slots = torch.tensor([5, -1, 0], device=device)
        torch.ops.xpu_lite.write_paged_cache_(cache, other, key, 2 * key, slots)
        assert cache.sum() == 16 and other.sum() == 32
        assert (cache[1, 0, 1] == 1).all() and (cache[0, 0, 0] == 1).all()


def test_on_a_side_stream():
    arguments = pages_of()
    want = torch.ops.xpu_lite.paged_attention(*arguments)
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()) as stream:
        torch.xpu_lite._sleep(20_000_000)  # nanoseconds: what follows is queued
        got = torch.ops.xpu_lite.paged_attention(*arguments)
    torch.xpu_lite.synchronize()
    del stream
    assert torch.equal(got, want)


def test_compiles():
    arguments = pages_of()

    def decode(*args):
        return torch.ops.xpu_lite.paged_attention(*args).relu()

    compiled = torch.compile(decode, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(*arguments), decode(*arguments))


@pytest.mark.parametrize("change, error, message", [
    (dict(query=torch.randn(2, 3, 32)), RuntimeError, "query .*2, 3, 32.* does not fit"),
    (dict(table=torch.tensor([[3, 1, 9], [5, 2, 4]])), (IndexError, RuntimeError),
     "block_tables.0, 2. is 9|index"),
    pytest.param(dict(lengths=torch.tensor([49, 7])), ValueError, "context_lengths.0. is 49",
                 marks=host_only("looking at the lengths would wait for the device")),
    (dict(lengths=torch.tensor([7.0, 7.0])), RuntimeError, "context_lengths must be int32"),
    (dict(values=torch.randn(6, 2, 8, 32)), RuntimeError, "key_cache and value_cache must be"),
    (dict(keys=torch.randn(6, 2, 16, 32).half()), RuntimeError, "Half"),
])
def test_bad_input_is_named(change, error, message):
    named = dict(zip(("query", "keys", "values", "table", "lengths"), pages_of()))
    named |= {k: v.to(DEVICE) for k, v in change.items()}
    with pytest.raises(error, match=message):
        torch.ops.xpu_lite.paged_attention(*named.values())


def test_a_full_cache_keeps_what_it_has():
    cache = PagedCache(2, 4, 1, 8, dtype=torch.float32, device=DEVICE)
    token = torch.ones(1, 1, 8, device=DEVICE)
    for _ in range(4):
        cache.append(["a"], token, token)
    cache.append(["b"], token, token)
    with pytest.raises(RuntimeError, match="all 2 pages of 4 rows are taken"):
        cache.append(["b", "a"], token.expand(2, 1, 8), token.expand(2, 1, 8))
    assert cache.length("a") == 4 and cache.length("b") == 1
    with pytest.raises(ValueError, match="pages must be positive, got 0"):
        PagedCache(0, 4, 1, 8)


def test_ipex_names():
    from torch_xpu_lite.ipex_compat import llm

    query, keys, values, table, lengths = pages_of()
    slopes = torch.tensor([0.5, 0.25, 0.125, 0.0625], device=DEVICE)
    out = torch.empty_like(query)
    paged = llm.modules.PagedAttention
    paged.single_query_cached_kv_attention(out, query, keys, values, None, 0.2, table, lengths, 16,
                                           40, slopes)
    for b in range(2):
        n = int(lengths[b])
        own = [cache[table[b].long()].transpose(1, 2).flatten(0, 1)[:n].cpu()
               for cache in (keys, values)]
        bias = (slopes.cpu().view(1, 4, 1, 1) * (torch.arange(n) - n + 1))
        want = attend(query[b].cpu(), *own, scale=0.2, bias=bias)
        torch.testing.assert_close(out[b].cpu().double(), want, rtol=2e-5, atol=2e-5)
    token = torch.ones(1, 2, 32, device=DEVICE)
    paged.reshape_and_cache(token, token, keys, values, torch.tensor([17], device=DEVICE))
    assert (keys[1, :, 1] == 1).all() and (values[1, :, 1] == 1).all()
    with pytest.raises(IndexError, match="slots.0. is 96|index 6 is out of bounds"):
        paged.reshape_and_cache(token, token, keys, values, torch.tensor([96], device=DEVICE))
