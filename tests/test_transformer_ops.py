"""The operators between and around the products of a transformer: linear as one operator, also
of a float32 input under autocast, GELU, SiLU, layer norm, the mixed sum of a residual stream, and
the encoder layer that torch.nn takes as one. The reference is device="cpu"."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

DEVICE = "xpu_lite"
TOLERANCE = {torch.float32: (1e-5, 1e-5), torch.bfloat16: (2e-2, 1e-2), torch.float16: (4e-3, 2e-3)}


def close(got, wanted, dtype=None):
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    assert got.stride() == wanted.stride()
    rtol, atol = TOLERANCE[dtype or wanted.dtype]
    torch.testing.assert_close(got.cpu(), wanted, rtol=rtol, atol=atol, equal_nan=True)


SPECIAL = [0.0, -0.0, 1e-30, -1e-30, 5.4, 5.6, -5.4, -5.6, 20.0, -20.0, 1e30, -1e30,
           -float("inf"), float("nan")]  # torch takes gelu(inf) for NaN where it vectorises


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("function", [
    F.gelu, lambda x: F.gelu(x, approximate="tanh"), F.silu], ids=["gelu", "gelu_tanh", "silu"])
def test_activations(function, dtype):
    torch.manual_seed(0)
    for shape in [(1,), (3, 5), (7, 33), (130, 257)]:
        x = (4 * torch.randn(shape)).to(dtype)
        close(function(x.to(DEVICE)), function(x))
    special = torch.tensor(SPECIAL).to(dtype)
    close(function(special.to(DEVICE)), function(special))
    x = torch.randn(6, 8).to(dtype)
    close(function(x.to(DEVICE).t()), function(x.t()))
    assert function(torch.empty(0, 3, dtype=dtype, device=DEVICE)).shape == (0, 3)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("shape, normalized", [((4, 768), 1), ((2, 3, 17), 1), ((5, 2, 40), 2),
                                               ((1, 1), 1), ((300, 130), 1)])
def test_layer_norm(dtype, shape, normalized):
    torch.manual_seed(0)
    x = torch.randn(shape) * 3 + 1
    sizes = shape[-normalized:]
    weight, bias = torch.randn(sizes), torch.randn(sizes)
    kinds = [dtype] if dtype == torch.float32 else [dtype, torch.float32]
    for kind in kinds:
        for w, b in [(weight, bias), (weight, None), (None, None)]:
            here = [None if t is None else t.to(kind) for t in (w, b)]
            there = [None if t is None else t.to(DEVICE) for t in here]
            wanted = torch.native_layer_norm(x.to(dtype), sizes, *here, 1e-5)
            got = torch.native_layer_norm(x.to(dtype).to(DEVICE), sizes, *there, 1e-5)
            for g, h in zip(got, wanted):
                close(g, h, dtype)


def test_layer_norm_with_gradients():
    torch.manual_seed(0)
    x = torch.randn(6, 50, requires_grad=True)
    there = x.detach().to(DEVICE).requires_grad_()
    norm = nn.LayerNorm(50)
    other = nn.LayerNorm(50).to(DEVICE)
    norm(x).square().sum().backward()
    other(there).square().sum().backward()
    close(there.grad, x.grad)
    close(other.weight.grad, norm.weight.grad)


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16])
def test_mixed_sum(narrow):
    a, b = torch.randn(37, 50), torch.randn(37, 50).to(narrow)
    for left, right in [(a, b), (b, a)]:
        got = left.to(DEVICE) + right.to(DEVICE)
        assert got.dtype == torch.float32
        assert torch.equal(got.cpu(), left + right)
    assert torch.equal(torch.add(a.to(DEVICE), b.to(DEVICE), alpha=2).cpu(), torch.add(a, b, alpha=2))
    assert torch.equal((a.to(DEVICE) + b[:1].to(DEVICE)).cpu(), a + b[:1])
    scalar = torch.tensor(2.0)  # of no dimension: the 16-bit dtype stays
    got = b.to(DEVICE) + scalar.to(DEVICE)
    assert got.dtype == narrow and torch.equal(got.cpu(), b + scalar)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_linear(dtype):
    torch.manual_seed(0)
    for shape in [(64, 96), (3, 21, 96), (2, 3, 40, 96), (96,), (0, 96)]:
        x, weight, bias = torch.randn(shape), torch.randn(80, 96) / 10, torch.randn(80)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
        with torch.inference_mode():
            there = [t.to(DEVICE) for t in (x, weight, bias)]
            for _ in range(3):
                close(F.linear(*there), F.linear(x, weight, bias))
            close(F.linear(there[0], there[1]), F.linear(x, weight))
            if len(shape) == 3:
                turned = F.linear(there[0].transpose(0, 1), there[1], there[2])
                close(turned, F.linear(x.transpose(0, 1), weight, bias))


def test_linear_refuses_what_torch_refuses():
    x = torch.randn(64, 96, device=DEVICE)
    for weight in (torch.randn(80, 95, device=DEVICE),
                   torch.randn(80, 96, device=DEVICE, dtype=torch.bfloat16), torch.randn(80, 96)):
        with torch.inference_mode(), pytest.raises(RuntimeError):
            F.linear(x, weight)
    with torch.inference_mode(), pytest.raises(RuntimeError):
        F.linear(x, torch.randn(80, 96, device=DEVICE), torch.randn(79, device=DEVICE))


def test_linear_under_autocast_reads_float32():
    torch.manual_seed(0)
    x, layer = torch.randn(5, 40, 200), nn.Linear(200, 136)
    there = nn.Linear(200, 136).to(DEVICE)
    there.load_state_dict(layer.state_dict())
    moved = x.to(DEVICE)
    with torch.no_grad():
        wanted = layer.to(torch.bfloat16)(x.to(torch.bfloat16))
        for _ in range(3):
            with torch.autocast(DEVICE, torch.bfloat16):
                got = there(moved)
                from_cast = there(moved.to(torch.bfloat16))
            close(got, wanted)
            assert torch.equal(got, from_cast)  # rounded as a cast rounds
        there.weight.data.mul_(2)  # never stale
        with torch.autocast(DEVICE, torch.bfloat16):
            close(there(moved), F.linear(x.bfloat16(), 2 * layer.weight, layer.bias))
    with torch.autocast(DEVICE, torch.bfloat16):  # gradients are torch's to record
        there(moved).float().sum().backward()
    assert there.weight.grad is not None and there.weight.grad.dtype == torch.float32


def test_weight_of_addmm_is_cast_once_under_autocast():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(64, 96), torch.randn(96, 80), torch.randn(80)
    there = [t.to(DEVICE) for t in (x, weight, bias)]
    wanted = torch.addmm(bias.bfloat16(), x.bfloat16(), weight.bfloat16())
    torch.xpu_lite.clear_packed_weights()
    with torch.no_grad():
        for _ in range(3):
            with torch.autocast(DEVICE, torch.bfloat16):
                close(torch.addmm(there[2], there[0], there[1]), wanted)
        there[1].zero_()
        with torch.autocast(DEVICE, torch.bfloat16):
            close(torch.addmm(there[2], there[0], there[1]), bias.bfloat16().expand(64, 80).contiguous())


def test_modes_see_what_linear_is_made_of():
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    class Names(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            names.append(str(function))
            return function(*args, **(kwargs or {}))

    names = []
    x, weight = torch.randn(64, 96, device=DEVICE), torch.randn(80, 96, device=DEVICE)
    with torch.no_grad(), Names():
        F.linear(x, weight)
    assert any("mm" in name for name in names)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        F.linear(x, weight)
    assert counter.get_total_flops() == 2 * 64 * 80 * 96
    per_sample = torch.func.vmap(lambda row: F.linear(row, weight))(x[:, None])
    close(per_sample, F.linear(x.cpu()[:, None], weight.cpu()))
    _, tangent = torch.func.jvp(lambda v: F.linear(v, weight), (x,), (torch.ones_like(x),))
    close(tangent, F.linear(torch.ones(64, 96), weight.cpu()))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer(norm_first, activation):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, norm_first=norm_first,
                                       activation=activation).eval()
    there = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, norm_first=norm_first,
                                       activation=activation).eval().to(DEVICE)
    there.load_state_dict(layer.state_dict())
    x = torch.randn(3, 21, 64)
    mask = nn.Transformer.generate_square_subsequent_mask(21)
    padding = torch.zeros(3, 21, dtype=torch.bool)
    padding[1, 15:] = True
    with torch.inference_mode():
        close(there(x.to(DEVICE)), layer(x))
        close(there(x.to(DEVICE), src_mask=mask.to(DEVICE)), layer(x, src_mask=mask))
        close(there(x.to(DEVICE), src_key_padding_mask=padding.to(DEVICE)),
              layer(x, src_key_padding_mask=padding))
        with torch.autocast(DEVICE, torch.bfloat16):
            low = there(x.to(DEVICE))
        torch.testing.assert_close(low.float().cpu(), layer(x), rtol=0.05, atol=0.06)


def test_multi_head_attention():
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, batch_first=True).eval()
    there = nn.MultiheadAttention(64, 4, batch_first=True).eval().to(DEVICE)
    there.load_state_dict(layer.state_dict())
    x = torch.randn(2, 17, 64)
    with torch.inference_mode():
        for need_weights in (False, True):
            wanted = layer(x, x, x, need_weights=need_weights)
            moved = x.to(DEVICE)
            got = there(moved, moved, moved, need_weights=need_weights)
            close(got[0], wanted[0])
            assert (got[1] is None) == (wanted[1] is None)
            if need_weights:
                close(got[1], wanted[1])
