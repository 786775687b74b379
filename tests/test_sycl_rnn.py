"""Recurrent cells and layers of the SYCL engine against the CPU.  Run with XPU_LITE_DEVICES
naming a SYCL device, as opencl:cpu."""

import pytest
import torch
from engine import sycl_only

pytestmark = sycl_only()

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9, torch.bfloat16: 5e-2, torch.float16: 5e-3}


def flat(x):
    return [x] if isinstance(x, torch.Tensor) else [t for item in x for t in flat(item)]


def compare(module, dtype, *inputs):
    """Outputs and all gradients equal those of the CPU."""
    results = []
    for device in ("cpu", "xpu_lite"):
        m = module.to(device=device, dtype=dtype)
        m.zero_grad()
        given = [[t.detach().clone().to(device, dtype).requires_grad_() for t in flat(x)]
                 for x in inputs]
        arguments = [x[0] if isinstance(i, torch.Tensor) else tuple(x)
                     for i, x in zip(inputs, given, strict=True)]
        out = flat(m(*arguments))
        sum((t.float() * (i + 1)).sum() for i, t in enumerate(out)).backward()
        gradients = [t.grad for t in [*flat(given), *m.parameters()]]
        results.append([t.detach().cpu() for t in [*out, *gradients]])
    for expected, actual in zip(*results, strict=True):
        assert actual.dtype == expected.dtype
        tolerance = TOLERANCE[dtype]
        torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance * 5)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_cells(dtype, bias):
    torch.manual_seed(0)
    x, h, c = torch.randn(3, 5), torch.randn(3, 7), torch.randn(3, 7)
    compare(torch.nn.LSTMCell(5, 7, bias=bias), dtype, x, (h, c))
    compare(torch.nn.GRUCell(5, 7, bias=bias), dtype, x, h)
    compare(torch.nn.RNNCell(5, 7, bias=bias), dtype, x, h)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False}],
    ids=str,
)
def test_layers(dtype, kind, options):
    torch.manual_seed(0)
    compare(getattr(torch.nn, kind)(5, 6, **options), dtype, torch.randn(4, 4, 5))


def test_packed_sequence_and_projection():
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(5, 6)
    x = torch.randn(4, 3, 5)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1])
    expected = lstm(packed)[0].data
    compare(torch.nn.LSTM(5, 6, proj_size=3), torch.float32, x)
    lstm.to("xpu_lite")
    actual = lstm(torch.nn.utils.rnn.pack_padded_sequence(x.to("xpu_lite"), [4, 2, 1]))[0].data
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-4, atol=1e-4)


def test_no_fallback_in_a_training_step():
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(8, 16, 2).to("xpu_lite")
    x = torch.randn(5, 2, 8, device="xpu_lite")
    torch.xpu_lite.reset_fallbacks()
    lstm(x)[0].square().mean().backward()
    torch.xpu_lite.synchronize()
    assert torch.xpu_lite.fallbacks() == {}


def test_errors_name_shapes():
    gates = torch.ones(2, 12, device="xpu_lite")
    with pytest.raises(RuntimeError, match=r"_thnn_fused_lstm_cell.*\[2, 20\].*\[2, 12\]"):
        torch.ops.aten._thnn_fused_lstm_cell(gates, gates, torch.ones(2, 5, device="xpu_lite"))
