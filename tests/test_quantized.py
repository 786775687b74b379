"""Quantized tensors of the device: made, read, moved, computed with, as on the CPU."""

import pytest
import torch

DEVICE = "xpu_lite"
DTYPES = [torch.quint8, torch.qint8, torch.qint32]


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(2, 3, 4, 4)


def same(device_result, cpu_result):
    assert device_result.device.type == DEVICE
    assert device_result.dtype == cpu_result.dtype
    assert device_result.shape == cpu_result.shape and device_result.stride() == cpu_result.stride()
    assert device_result.is_quantized == cpu_result.is_quantized
    if cpu_result.is_quantized:
        assert device_result.qscheme() == cpu_result.qscheme()
        device_result, cpu_result = device_result.dequantize(), cpu_result.dequantize()
    torch.testing.assert_close(device_result.cpu(), cpu_result)


def both(fn, x):
    same(fn(x.to(DEVICE)), fn(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_per_tensor(dtype, x):
    both(lambda t: torch.quantize_per_tensor(t, 0.05, 10, dtype), x)
    both(lambda t: torch.quantize_per_tensor(t, 0.05, 10, dtype).int_repr(), x)
    q = torch.quantize_per_tensor(x.to(DEVICE), 0.05, 10, dtype)
    assert (q.q_scale(), q.q_zero_point()) == (0.05, 10)
    assert q.device.type == DEVICE and "xpu_lite" in repr(q)


def test_other_ways_to_quantize(x):
    both(lambda t: torch.quantize_per_tensor(
        t, torch.tensor(0.1, device=t.device), torch.tensor(3, device=t.device), torch.quint8), x)
    both(lambda t: torch.quantize_per_tensor_dynamic(t, torch.quint8, False), x)
    both(lambda t: torch._make_per_tensor_quantized_tensor(
        (t * 10).to(torch.uint8), 0.1, 0), x.abs())
    results = [torch.quantize_per_tensor(
        [t, t * 2], torch.tensor([0.1, 0.2], device=t.device),
        torch.tensor([1, 2], device=t.device), torch.quint8) for t in (x.to(DEVICE), x)]
    for a, b in zip(*results):
        same(a, b)


def test_per_channel(x):
    def quantize(t):
        scales = torch.tensor([0.1, 0.2, 0.3], dtype=torch.double, device=t.device)
        zeros = torch.tensor([1, 2, 3], device=t.device)
        return torch.quantize_per_channel(t, scales, zeros, 1, torch.qint8)

    both(quantize, x)
    q = quantize(x.to(DEVICE))
    assert q.q_per_channel_axis() == 1
    for _ in range(2):  # reading them must not change them
        scales = q.q_per_channel_scales()
        assert scales.device.type == DEVICE
        assert scales.cpu().tolist() == [0.1, 0.2, 0.3]
        assert q.q_per_channel_zero_points().cpu().tolist() == [1, 2, 3]
    same(q, quantize(x))


def test_moves(x):
    q = torch.quantize_per_tensor(x, 0.05, 10, torch.quint8)
    there = q.to(DEVICE)
    same(there, q)
    back = there.cpu()
    assert back.device.type == "cpu"
    assert torch.equal(back.int_repr(), q.int_repr())
    same(there.clone(), q)


OPERATORS = {
    "add": lambda q: torch.ops.quantized.add(q, q, 0.1, 0) if q.device.type == "cpu" else None,
    "relu": torch.relu, "max_pool": lambda q: torch.max_pool2d(q, 2),
    "avg_pool": lambda q: torch.nn.functional.avg_pool2d(q, 2),
    "adaptive": lambda q: torch.nn.functional.adaptive_avg_pool2d(q, 1),
    "cat": lambda q: torch.cat([q, q]), "view": lambda q: q.view(2, -1),
    "reshape": lambda q: q.reshape(6, 16), "select": lambda q: q[1], "slice": lambda q: q[:, 1:],
    "permute": lambda q: q.permute(0, 2, 3, 1), "transpose": lambda q: q.transpose(1, 2),
    "contiguous": lambda q: q.transpose(1, 2).contiguous(), "mean": lambda q: q.mean([2, 3]),
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "clamp": lambda q: torch.clamp(q, -0.5, 0.5),
    "hardswish": lambda q: torch.nn.functional.hardsigmoid(q), "max": lambda q: torch.max(q),
    "eq": lambda q: q == q, "topk": lambda q: torch.topk(q, 2)[0], "sort": lambda q: q.sort()[0],
    "interpolate": lambda q: torch.nn.functional.interpolate(q, scale_factor=2),
    "squeeze": lambda q: q[:1].squeeze(0), "channels_last": lambda q: q.contiguous(
        memory_format=torch.channels_last), "empty_like": lambda q: torch.empty_like(q) * 0
    if not q.is_quantized else torch.zeros_like(q),
}
del OPERATORS["add"]  # the quantized:: library takes CPU tensors only


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name, x):
    fn = OPERATORS[name]
    try:
        fn(torch.quantize_per_tensor(x, 0.05, 128, torch.quint8))
    except Exception as error:
        with pytest.raises(type(error)):
            fn(torch.quantize_per_tensor(x.to(DEVICE), 0.05, 128, torch.quint8))
        return
    both(lambda t: fn(torch.quantize_per_tensor(t, 0.05, 128, torch.quint8)), x)


def test_views_share_memory(x):
    q = torch.quantize_per_tensor(x.to(DEVICE), 0.05, 128, torch.quint8)
    view = q.view(-1)[:16]
    view.copy_(torch.quantize_per_tensor(torch.zeros(16, device=DEVICE), 0.05, 128, torch.quint8))
    assert q.dequantize().view(-1)[:16].abs().max().item() == 0
    assert q.dequantize().view(-1)[16:].abs().max().item() > 0


def test_copy_from_float(x):
    def fill(t):
        q = torch.quantize_per_tensor(torch.zeros_like(t), 0.05, 128, torch.quint8)
        q.copy_(t)
        return q

    both(fill, x)


def test_fake_quantize_has_a_gradient(x):
    def run(device):
        t = x.to(device).requires_grad_()
        torch.fake_quantize_per_tensor_affine(t, 0.1, 0, 0, 255).sum().backward()
        return t.grad.cpu()

    torch.testing.assert_close(run(DEVICE), run("cpu"))


def test_save_and_load(tmp_path, x):
    q = torch.quantize_per_tensor(x, 0.05, 10, torch.quint8)
    torch.save(q.to(DEVICE), tmp_path / "q.pt")
    same(torch.load(tmp_path / "q.pt"), q)


def test_memory_comes_back(x):
    before = torch.xpu_lite.memory_allocated()
    q = torch.quantize_per_tensor(x.to(DEVICE), 0.05, 10, torch.quint8)
    assert torch.xpu_lite.memory_allocated() > before
    del q
    assert torch.xpu_lite.memory_allocated() == before
