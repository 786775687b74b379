"""LSTM, GRU and RNN layers and cells against the same modules on the CPU."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

DEVICE = "xpu_lite"
TOLERANCE = {
    torch.float64: dict(rtol=1e-9, atol=1e-10),
    torch.float32: dict(rtol=1e-4, atol=1e-5),
    torch.bfloat16: dict(rtol=5e-2, atol=5e-2),
    torch.float16: dict(rtol=1e-2, atol=1e-2),
}
LAYERS = [nn.LSTM, nn.GRU, nn.RNN]


def flatten(outputs):
    if torch.is_tensor(outputs):
        return [outputs]
    return [t for o in outputs for t in flatten(o)]


def train_step(module, x, device, lengths=None):
    """Outputs and all gradients of one step, on the CPU."""
    module = copy.deepcopy(module).to(device)
    x = x.detach().clone().to(device).requires_grad_()
    if lengths is None:
        outputs = flatten(module(x))
    else:
        packed = pack_padded_sequence(x, lengths, batch_first=module.batch_first, enforce_sorted=False)
        out, state = module(packed)
        outputs = flatten((pad_packed_sequence(out, batch_first=module.batch_first)[0], state))
    assert all(t.device.type == torch.device(device).type for t in outputs)
    loss = sum((t * torch.linspace(-1, 1, t.numel(), dtype=t.dtype, device=device).view(t.shape)).sum()
               for t in outputs)
    grads = torch.autograd.grad(loss, [x, *module.parameters()])
    return [t.detach().cpu() for t in (*outputs, *grads)]


def check(module, x, dtype, lengths=None):
    module, x = module.to(dtype), x.to(dtype)
    want, got = train_step(module, x, "cpu", lengths), train_step(module, x, DEVICE, lengths)
    for g, w in zip(got, want):
        scale = max(1.0, w.abs().max().item()) if w.numel() else 1.0
        torch.testing.assert_close(g / scale, w / scale, **TOLERANCE[dtype])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(bias=False),
        dict(batch_first=True, num_layers=2),
        dict(bidirectional=True, num_layers=2),
    ],
    ids=["plain", "no bias", "two layers", "bidirectional"],
)
def test_layers_equal_cpu(layer, options, dtype):
    torch.manual_seed(0)
    check(layer(5, 7, **options), torch.randn(6, 3, 5), dtype)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("options", [dict(), dict(bidirectional=True, batch_first=True, num_layers=2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_packed_sequences(layer, options, dtype):
    torch.manual_seed(0)
    batch_first = options.get("batch_first", False)
    x = torch.randn((4, 6, 5) if batch_first else (6, 4, 5))
    check(layer(5, 7, **options), x, dtype, lengths=[6, 2, 4, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_projections(dtype):
    torch.manual_seed(0)
    check(nn.LSTM(5, 8, proj_size=3, num_layers=2, bidirectional=True), torch.randn(4, 3, 5), dtype)


@pytest.mark.parametrize("layer", LAYERS)
def test_unbatched(layer):
    torch.manual_seed(0)
    check(layer(5, 7), torch.randn(6, 5), torch.float32)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_inference(layer, dtype, mode):
    torch.manual_seed(0)
    module = layer(5, 40, num_layers=2, bidirectional=True).to(dtype).eval()
    x = torch.randn(6, 3, 5).to(dtype)
    with mode():
        want = flatten(module(x))
        got = flatten(copy.deepcopy(module).to(DEVICE)(x.to(DEVICE)))
    for g, w in zip(got, want):
        assert g.shape == w.shape and g.stride() == w.stride()
        torch.testing.assert_close(g.cpu(), w, **TOLERANCE[dtype])


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_cells(cell, bias, dtype):
    torch.manual_seed(0)
    check(cell(5, 33, bias=bias), torch.randn(4, 5), dtype)


@pytest.mark.parametrize("layer", LAYERS)
def test_dropout_between_layers(layer):
    torch.manual_seed(0)
    module = layer(5, 7, num_layers=3, dropout=0.5)
    device_module = copy.deepcopy(module).to(DEVICE)
    x = torch.randn(6, 3, 5)

    def sample(seed):
        torch.xpu_lite.manual_seed(seed)
        return device_module(x.to(DEVICE))[0]

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    device_module.eval(), module.eval()
    torch.testing.assert_close(sample(1).cpu(), module(x)[0], rtol=1e-4, atol=1e-5)


def test_cells_differentiate_to_second_order():
    torch.manual_seed(0)
    for cell, gates in ((torch._VF.lstm_cell, 4), (torch._VF.gru_cell, 3)):
        tensors = [torch.randn(s, dtype=torch.float64, device=DEVICE, requires_grad=True)
                   for s in ((2, 3), (2, 2), (2, 2), (gates * 2, 3), (gates * 2, 2), (gates * 2,), (gates * 2,))]

        def f(x, h, c, *params):
            state = [h, c] if gates == 4 else h
            return cell(x, state, *params)

        if gates == 3:
            used = [t for i, t in enumerate(tensors) if i != 2]
            check_fn = lambda x, h, *params: torch._VF.gru_cell(x, h, *params)  # noqa: E731
        else:
            used, check_fn = tensors, f
        assert torch.autograd.gradcheck(check_fn, used)
        assert torch.autograd.gradgradcheck(check_fn, used)


def test_saturated_gates():
    values = torch.tensor([-1e4, -100.0, -20.0, -1e-4, 0.0, 1e-4, 0.24, 0.26, 20.0, 100.0, 1e4])
    gates = values.repeat(4).view(1, -1)
    zeros = torch.zeros_like(gates)
    cx = torch.ones(1, len(values))
    hy, cy, workspace = torch.ops.aten._thnn_fused_lstm_cell(
        gates.to(DEVICE), zeros.to(DEVICE), cx.to(DEVICE))
    i = values.sigmoid()
    want = i * 1 + i * values.tanh()
    torch.testing.assert_close(cy.cpu().view(-1), want, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(hy.cpu().view(-1), i * want.tanh(), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(workspace.cpu().view(4, -1)[2], values.tanh(), rtol=1e-6, atol=1e-7)
    bad = torch.full_like(gates, float("nan")).to(DEVICE)
    assert torch.ops.aten._thnn_fused_lstm_cell(bad, bad, cx.to(DEVICE))[0].isnan().all()


def test_bad_arguments():
    gates, cx = torch.zeros(2, 12, device=DEVICE), torch.zeros(2, 4, device=DEVICE)
    with pytest.raises(RuntimeError, match=r"_thnn_fused_lstm_cell.*input_gates.*\[2, 16\]"):
        torch.ops.aten._thnn_fused_lstm_cell(gates, gates, cx)
    with pytest.raises(RuntimeError, match="both biases"):
        torch.ops.aten._thnn_fused_gru_cell(gates, gates, cx, torch.zeros(12, device=DEVICE), None)
    for device in ("cpu", DEVICE):
        module = nn.LSTM(5, 7).to(device)
        with pytest.raises(RuntimeError):
            module(torch.zeros(3, 2, 6, device=device))
        with pytest.raises(RuntimeError):
            state = torch.zeros(1, 3, 7, device=device)
            module(torch.zeros(3, 2, 5, device=device), (state, state))


def test_autocast():
    torch.manual_seed(0)
    module, x = nn.LSTM(5, 7).to(DEVICE), torch.randn(6, 3, 5, device=DEVICE)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        out, _ = module(x)
    torch.testing.assert_close(out.float(), module(x)[0], rtol=5e-2, atol=5e-2)
    out.float().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
