"""Scaled dot product attention: values and gradients, whichever path serves them."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

DEVICE = "xpu_lite"
OVERRIDEABLE = int(SDPBackend.OVERRIDEABLE.value)
FLASH = int(SDPBackend.FLASH_ATTENTION.value)
MATH = int(SDPBackend.MATH.value)

TOLERANCE = {
    torch.float64: dict(rtol=1e-9, atol=1e-10),
    torch.float32: dict(rtol=2e-5, atol=2e-5),
    torch.bfloat16: dict(rtol=3e-2, atol=3e-2),
    torch.float16: dict(rtol=4e-3, atol=4e-3),
}


def make(shape, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def run(tensors, device, mask=None, grad_mask=False, **options):
    """Output, and gradients of query, key, value and (if asked) the mask, on the CPU."""
    leaves = [t.detach().clone().to(device).requires_grad_() for t in tensors]
    if mask is not None:
        mask = mask.detach().clone().to(device)
        if grad_mask:
            mask.requires_grad_()
            leaves.append(mask)
    out = F.scaled_dot_product_attention(*leaves[:3], attn_mask=mask, **options)
    weight = make(out.shape, out.dtype, 99).to(device)
    grads = torch.autograd.grad((out * weight).sum(), leaves)
    assert all(t.device.type == torch.device(device).type for t in (out, *grads))
    strides = [t.stride() for t in (out, *grads)]
    return [out.detach().cpu()] + [g.cpu() for g in grads], strides


def check(shapes, dtype, mask=None, grad_mask=False, **options):
    tensors = [make(s, dtype, i) for i, s in enumerate(shapes)]
    expected, strides = run(tensors, "cpu", mask, grad_mask, **options)
    actual, device_strides = run(tensors, DEVICE, mask, grad_mask, **options)
    for got, want in zip(actual, expected):
        torch.testing.assert_close(got, want, **TOLERANCE[dtype])
    if not options.get("enable_gqa"):
        assert device_strides == strides


def choice(*args, **kwargs):
    return torch._fused_sdp_choice(*args, **kwargs)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3, 7, 8), (2, 3, 7, 8), (2, 3, 7, 8)],
        [(1, 2, 150, 16), (1, 2, 210, 16), (1, 2, 210, 16)],
        [(2, 2, 40, 8), (2, 2, 30, 8), (2, 2, 30, 20)],  # values of another width
        [(3, 90, 16), (3, 140, 16), (3, 140, 16)],  # three dimensions
        [(5, 4), (6, 4), (6, 4)],  # two
        [(2, 1, 2, 9, 4), (2, 1, 2, 5, 4), (2, 1, 2, 5, 4)],  # five
    ],
    ids=["small", "long", "wide values", "3d", "2d", "5d"],
)
def test_equals_cpu(shapes, causal, dtype):
    check(shapes, dtype, is_causal=causal)


@pytest.mark.parametrize("grad_mask", [False, True])
@pytest.mark.parametrize("mask_shape", [(30, 1), (30, 140), (1, 140), (3, 30, 140), (2, 1, 30, 140),
                                        (2, 3, 1, 140), (1, 3, 30, 1), (2, 3, 30, 140)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_additive_masks(mask_shape, grad_mask, dtype):
    shapes = [(2, 3, 30, 8), (2, 3, 140, 8), (2, 3, 140, 8)]
    check(shapes, dtype, mask=make(mask_shape, dtype, 7), grad_mask=grad_mask)


@pytest.mark.parametrize("shape", [(30, 40), (2, 1, 30, 40), (2, 3, 1, 40)])
@pytest.mark.parametrize("width", [8, 12])  # flash kernel, ours
def test_boolean_masks_with_rows_that_see_nothing(shape, width):
    mask = make(shape, torch.float32, 5) > 0
    mask[..., 0, :] = False
    check([(2, 3, 30, 8), (2, 3, 40, 8), (2, 3, 40, width)], torch.float32, mask=mask)


@pytest.mark.parametrize("dims", [3, 4])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_grouped_heads(dims, kv_heads, causal):
    batch = (2,) if dims == 4 else ()
    shapes = [(*batch, 4, 80, 8), (*batch, kv_heads, 90, 8), (*batch, kv_heads, 90, 12)]
    check(shapes, torch.float64, is_causal=causal, enable_gqa=True)


@pytest.mark.parametrize("scale", [0.0, 1.7, -0.4])
@pytest.mark.parametrize("width", [8, 9])
def test_scale(scale, width):
    check([(2, 2, 20, 8), (2, 2, 21, 8), (2, 2, 21, width)], torch.float64, scale=scale)


def test_inputs_that_are_not_contiguous():
    base = make((2, 50, 3, 4, 8), torch.float64, 0)  # as a fused projection makes them
    q, k, v = (base[:, :, i].transpose(1, 2) for i in range(3))
    mask = make((50, 50), torch.float64, 3).t()
    for width in (8, 5):
        values = v[..., :width]
        args = [q, k, values]
        want = F.scaled_dot_product_attention(*args, attn_mask=mask)
        got = F.scaled_dot_product_attention(
            *(base.to(DEVICE)[:, :, i].transpose(1, 2)[..., : (width if i == 2 else 8)] for i in range(3)),
            attn_mask=mask.t().to(DEVICE).t(),
        )
        torch.testing.assert_close(got.cpu(), want, **TOLERANCE[torch.float64])
        assert got.stride() == want.stride()
    expanded = make((1, 1, 1, 8), torch.float64, 4).to(DEVICE).expand(2, 3, 6, 8)
    got = F.scaled_dot_product_attention(expanded, expanded, expanded[..., :3])
    want = F.scaled_dot_product_attention(*(3 * [expanded.cpu()])[:2], expanded.cpu()[..., :3])
    torch.testing.assert_close(got.cpu(), want, **TOLERANCE[torch.float64])


@pytest.mark.parametrize("shapes", [[(0, 2, 4, 8)] * 3, [(2, 2, 0, 8), (2, 2, 4, 8), (2, 2, 4, 8)],
                                    [(2, 2, 4, 8), (2, 2, 0, 8), (2, 2, 0, 8)],
                                    [(2, 2, 4, 0), (2, 2, 4, 0), (2, 2, 4, 8)]])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_zero_sizes(shapes, dropout):
    tensors = [torch.randn(s) for s in shapes]
    want = F.scaled_dot_product_attention(*tensors, dropout_p=dropout)
    got = F.scaled_dot_product_attention(*(t.to(DEVICE) for t in tensors), dropout_p=dropout)
    assert got.shape == want.shape and got.device.type == DEVICE
    if dropout == 0:
        torch.testing.assert_close(got.cpu(), want, equal_nan=True)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(shapes=[(2, 2, 4, 8), (2, 2, 4, 6), (2, 2, 4, 8)]),
        dict(shapes=[(2, 2, 4, 8), (2, 3, 4, 8), (2, 3, 4, 8)]),
        dict(shapes=[(2, 2, 4, 8)] * 3, attn_mask=torch.zeros(3, 4)),
        dict(shapes=[(2, 4, 8)] * 3, attn_mask=torch.zeros(4, 4), is_causal=True),
        dict(shapes=[(2, 2, 4, 8)] * 3, attn_mask=torch.zeros(1)),
        dict(shapes=[(2, 2, 4, 8)] * 3, dropout_p=1.5),
        dict(shapes=[(2, 3, 4, 8), (2, 2, 4, 8), (2, 2, 4, 8)], enable_gqa=True),
    ],
    ids=["width", "heads", "mask shape", "mask and causal", "1d mask", "dropout", "groups"],
)
def test_what_the_cpu_refuses(arguments):
    shapes = arguments.pop("shapes")

    def attempt(device):
        options = {k: v.to(device) if torch.is_tensor(v) else v for k, v in arguments.items()}
        F.scaled_dot_product_attention(*(torch.zeros(s, device=device) for s in shapes), **options)

    with pytest.raises(Exception) as expected:
        attempt("cpu")
    with pytest.raises(expected.type):
        attempt(DEVICE)
    arguments["shapes"] = shapes


# ---- dropout ---------------------------------------------------------------------


def recovered_mask(q, k, dropout, seed, **options):
    """The dropout factors that a seed gives, read off attention over unit vectors."""
    keys = k.shape[-2]
    eye = torch.eye(keys, dtype=q.dtype, device=DEVICE).expand(*k.shape[:-2], keys, keys)
    torch.xpu_lite.manual_seed(seed)
    dropped = F.scaled_dot_product_attention(q, k, eye, dropout_p=dropout, **options)
    kept = F.scaled_dot_product_attention(q, k, eye, **options)
    return torch.where(kept > 0, dropped / kept, 0.0)


@pytest.mark.parametrize("causal", [False, True])
def test_dropout_gradients_use_the_mask_of_the_output(causal):
    q, k, v = (make((2, 2, 100, 8), torch.float64, i).to(DEVICE).requires_grad_() for i in range(3))
    factors = recovered_mask(q.detach(), k.detach(), 0.3, 11, is_causal=causal)
    torch.xpu_lite.manual_seed(11)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.3, is_causal=causal)

    scores = q @ k.transpose(-1, -2) / math.sqrt(8)
    if causal:
        hidden = torch.ones(100, 100, dtype=torch.bool, device=DEVICE).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    reference = (scores.softmax(-1) * factors) @ v
    torch.testing.assert_close(out, reference, rtol=1e-9, atol=1e-9)

    weight = make(out.shape, out.dtype, 3).to(DEVICE)
    got = torch.autograd.grad((out * weight).sum(), (q, k, v))
    want = torch.autograd.grad((reference * weight).sum(), (q, k, v))
    for g, w in zip(got, want):
        torch.testing.assert_close(g, w, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_expected_share(p):
    q = torch.zeros(2, 3, 256, 8, device=DEVICE)
    factors = recovered_mask(q, q, p, 3)
    kept = (factors > 0).double().mean().item()
    assert abs(kept - (1 - p)) < 5 * math.sqrt(p * (1 - p) / factors.numel())
    torch.testing.assert_close(factors[factors > 0], torch.full_like(factors[factors > 0], 1 / (1 - p)))
    # No two heads or rows share a mask.
    rows = (factors > 0).flatten(0, 2).cpu()
    assert len({bytes(r.numpy().tobytes()) for r in rows}) == len(rows)


def test_dropout_follows_the_seed_and_not_the_threads():
    q = make((1, 2, 200, 16), torch.float32, 0).to(DEVICE)

    def sample(seed):
        torch.xpu_lite.manual_seed(seed)
        return F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)

    first = sample(1)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        again = sample(1)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(first, again)
    assert not torch.equal(first, sample(2))
    torch.xpu_lite.manual_seed(1)
    F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    assert not torch.equal(first, F.scaled_dot_product_attention(q, q, q, dropout_p=0.5))


def test_dropout_of_everything():
    q = torch.randn(1, 2, 8, 4, device=DEVICE)
    assert torch.count_nonzero(F.scaled_dot_product_attention(q, q, q, dropout_p=1.0)) == 0


# ---- choice, memory, composition ----------------------------------------------------


def test_which_path_serves_what():
    q = torch.zeros(2, 2, 8, 4, device=DEVICE)
    assert choice(q, q, q) == OVERRIDEABLE
    assert choice(q, q, q, dropout_p=0.1) == OVERRIDEABLE
    assert choice(q[0], q[0], q[0]) == OVERRIDEABLE
    assert choice(q, q, q[..., :3]) == OVERRIDEABLE
    mask = torch.zeros(8, 8, device=DEVICE)
    assert choice(q, q, q, mask.t()) == OVERRIDEABLE
    assert choice(q, q, q, mask.requires_grad_()) == OVERRIDEABLE
    assert choice(q[:0], q[:0], q[:0], dropout_p=0.1) == MATH
    wide, mask = q.double(), mask.detach().double()
    assert choice(wide, wide, wide) == FLASH
    assert choice(wide, wide, wide, mask.t()) == FLASH
    with sdpa_kernel(SDPBackend.MATH):
        assert choice(q, q, q) == MATH
    with sdpa_kernel(SDPBackend.OVERRIDEABLE):
        assert choice(q, q, q) == OVERRIDEABLE
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        assert choice(q, q, q) == FLASH


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("length", [1, 127, 700])
@pytest.mark.parametrize("masked", [False, True])
def test_one_query_against_kept_keys(dtype, length, masked):
    """Decoding: keys and values are views of a longer cache, shared by groups of heads."""
    cache = make((2, 2, 2, 1024, 64), dtype, 1)
    q = make((2, 8, 1, 64), dtype, 2)
    mask = None
    if masked:
        mask = torch.ones(2, 1, 1, length, dtype=torch.bool)
        mask[0, ..., : length // 2] = False
    results = []
    for device in ("cpu", DEVICE):
        there, at = q.to(device), mask if mask is None else mask.to(device)
        key, value = cache.to(device)[..., :length, :]
        with torch.no_grad():
            out = F.scaled_dot_product_attention(there, key, value, at, enable_gqa=True)
        results.append(out.cpu())
    torch.testing.assert_close(results[1], results[0], **TOLERANCE[dtype])


def peak_of_training_step(length, **options):
    tensors = [torch.randn(1, 2, length, 32, device=DEVICE, requires_grad=True) for _ in range(3)]
    torch.xpu_lite.synchronize()
    torch.xpu_lite.reset_peak_memory_stats()
    before = torch.xpu_lite.memory_allocated()
    F.scaled_dot_product_attention(*tensors, **options).sum().backward()
    torch.xpu_lite.synchronize()
    return torch.xpu_lite.max_memory_allocated() - before


@pytest.mark.parametrize("options", [dict(), dict(is_causal=True), dict(dropout_p=0.1)],
                         ids=["plain", "causal", "dropout"])
def test_memory_is_linear_in_the_length(options):
    short, long = (peak_of_training_step(n, **options) for n in (1024, 4096))
    assert long < 5 * short
    assert long < 4096 * 4096 * 4  # one head's scores alone


@pytest.mark.parametrize("p", [0.0, 0.2])
def test_multi_head_attention_module(p):
    torch.manual_seed(0)
    module = torch.nn.MultiheadAttention(32, 4, dropout=p, batch_first=True)
    x = torch.randn(2, 10, 32)
    twin = torch.nn.MultiheadAttention(32, 4, dropout=p, batch_first=True).to(DEVICE)
    twin.load_state_dict(module.state_dict())
    module.eval(), twin.eval()
    for need_weights, grad in itertools.product([False, True], repeat=2):
        with torch.set_grad_enabled(grad):
            want, want_weights = module(x, x, x, need_weights=need_weights)
            got, weights = twin(x.to(DEVICE), x.to(DEVICE), x.to(DEVICE), need_weights=need_weights)
        torch.testing.assert_close(got.cpu(), want, rtol=1e-4, atol=1e-5)
        assert (weights is None) == (want_weights is None)
    twin.train()
    twin(x.to(DEVICE), x.to(DEVICE), x.to(DEVICE), need_weights=False)[0].sum().backward()
    assert all(torch.isfinite(q.grad).all() for q in twin.parameters())


def test_transformer_encoder_layer_fast_path():
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    x = torch.randn(3, 6, 16)
    with torch.no_grad():
        want = layer(x)
        got = layer.to(DEVICE)(x.to(DEVICE))
    torch.testing.assert_close(got.cpu(), want, rtol=1e-4, atol=1e-5)


def test_forward_mode_and_vmap():
    q, k, v = (make((3, 4, 8), torch.float64, i) for i in range(3))

    def f(q, k, v):
        return F.scaled_dot_product_attention(q, k, v)

    tangents = tuple(torch.ones_like(t) for t in (q, k, v))
    want = torch.func.jvp(f, (q, k, v), tangents)
    got = torch.func.jvp(f, tuple(t.to(DEVICE) for t in (q, k, v)), tuple(t.to(DEVICE) for t in tangents))
    for g, w in zip(got, want):
        torch.testing.assert_close(g.cpu(), w)
    batched = torch.vmap(f)(*(t.to(DEVICE).unsqueeze(0).expand(2, -1, -1, -1) for t in (q, k, v)))
    torch.testing.assert_close(batched[1].cpu(), f(q, k, v))


def test_side_stream():
    tensors = [make((2, 300, 16), torch.float64, i) for i in range(3)]
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        leaves = [t.to(DEVICE).requires_grad_() for t in tensors]
        out = F.scaled_dot_product_attention(*leaves, dropout_p=0.0)
        grads = torch.autograd.grad(out.sum(), leaves)
    stream.synchronize()
    want = [t.clone().requires_grad_() for t in tensors]
    reference = F.scaled_dot_product_attention(*want)
    torch.testing.assert_close(out.cpu(), reference)
    for g, w in zip(grads, torch.autograd.grad(reference.sum(), want)):
        torch.testing.assert_close(g.cpu(), w)


@pytest.mark.parametrize("options", [dict(), dict(is_causal=True), dict(mask=True)],
                         ids=["plain", "causal", "mask"])
def test_second_order(options):
    options = dict(options)
    tensors = [make((2, n, w), torch.float64, i).to(DEVICE).requires_grad_()
               for i, (n, w) in enumerate([(3, 2), (4, 2), (4, 3)])]
    if options.pop("mask", False):
        tensors.append(make((3, 4), torch.float64, 5).to(DEVICE).requires_grad_())

    def f(q, k, v, mask=None):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **options)

    assert choice(*tensors, **options) == OVERRIDEABLE
    assert torch.autograd.gradcheck(f, tensors)
    assert torch.autograd.gradgradcheck(f, tensors)


def test_second_order_with_dropout_and_groups():
    shapes = [(1, 4, 3, 2), (1, 2, 4, 2), (1, 2, 4, 2)]
    tensors = [make(s, torch.float64, i).to(DEVICE).requires_grad_() for i, s in enumerate(shapes)]

    def f(q, k, v):
        torch.xpu_lite.manual_seed(5)
        return F.scaled_dot_product_attention(q, k, v, dropout_p=0.4, enable_gqa=True)

    assert torch.autograd.gradcheck(f, tensors)
    assert torch.autograd.gradgradcheck(f, tensors)
