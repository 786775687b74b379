"""Weights of convolutions and products kept in oneDNN's layout: found again, and never stale."""

import random

import pytest
import torch
import torch.nn.functional as F
from engine import sycl_only

pytestmark = sycl_only()
DEVICE = "xpu_lite"


def counts():
    return torch.xpu_lite.packing_stats()["packed"]


@pytest.fixture(autouse=True)
def empty():
    torch.xpu_lite.clear_packed_weights()
    yield
    torch.xpu_lite.clear_packed_weights()


def on_cpu(x, w, **more):
    return F.conv2d(x.cpu(), w.detach().cpu(), **more)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_kept_from_the_second_use(dtype):
    x = torch.randn(2, 16, 9, 9, device=DEVICE).to(dtype)
    w = torch.randn(32, 16, 3, 3, device=DEVICE).to(dtype)
    before = counts()
    first, second, third = (F.conv2d(x, w, padding=1) for _ in range(3))
    after = counts()
    assert after["made"] - before["made"] == 1
    assert after["hits"] - before["hits"] == 1
    assert after["kept"] == 1 and after["bytes"] >= w.numel() * w.element_size()
    assert torch.equal(first, second) and torch.equal(first, third)


def test_off():
    x, w = torch.randn(1, 16, 8, 8, device=DEVICE), torch.randn(16, 16, 3, 3, device=DEVICE)
    expected = F.conv2d(x, w)
    with torch.xpu_lite.set_packing(False):
        before = counts()
        for _ in range(3):
            assert torch.equal(F.conv2d(x, w), expected)
        assert counts() == before


def load(w, value):
    holder = torch.nn.Module()
    holder.w = torch.nn.Parameter(w, requires_grad=False)
    holder.load_state_dict({"w": value})


def step(w, value):
    w.requires_grad_(True)
    w.grad = value
    torch.optim.SGD([w], lr=0.5).step()
    w.grad = None
    w.requires_grad_(False)


WRITES = {
    "in place": lambda w, v: w.add_(v),
    "data": lambda w, v: w.data.copy_(v),
    "view": lambda w, v: w[3:5].mul_(2),
    "alias of data": lambda w, v: w.data.view(-1)[7:19].fill_(1.5),
    "optimizer": step,
    "foreach": lambda w, v: torch._foreach_add_([w], [v]),
    "out": lambda w, v: torch.mul(v, 2, out=w),
    "random": lambda w, v: w.uniform_(-1, 1),
    "index": lambda w, v: w.index_fill_(0, torch.tensor([1], device=DEVICE), 0.25),
    "load_state_dict": load,
    "from the host": lambda w, v: w.copy_(v.cpu()),
    "set data": lambda w, v: setattr(w, "data", v.clone()),
    "fallback": lambda w, v: w.copy_(torch.linalg.qr(w.view(32, -1))[0].reshape(-1)[0] + v),
    "inference mode": None,
}


USES = {  # of a weight: shapes of the input and of the weight, the call
    "conv2d": ((1, 16, 6, 6), (32, 16, 3, 3), F.conv2d),
    "linear": ((24, 96), (96, 96), F.linear),
    "mm": ((24, 96), (96, 96), torch.mm),
    "matmul": ((2, 24, 96), (96, 96), torch.matmul),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("use", USES)
def test_a_write_gives_it_up(use, write):
    of_input, of_weight, call = USES[use]
    x = torch.randn(of_input, device=DEVICE)
    w, value = (torch.randn(of_weight, device=DEVICE) for _ in range(2))
    for _ in range(4):  # a product's shape is packed for when it comes back
        call(x, w)
    before = counts()
    old = call(x, w).cpu()
    assert counts()["hits"] == before["hits"] + 1
    if write == "inference mode":
        with torch.inference_mode():
            w.mul_(-3)
    else:
        WRITES[write](w, value)
    for _ in range(3):
        actual = call(x, w).cpu()
        torch.testing.assert_close(actual, call(x.cpu(), w.detach().cpu()), rtol=1e-4, atol=1e-4)
        assert not torch.equal(actual, old)


def test_products_on_two_streams_and_in_training():
    layer = torch.nn.Linear(128, 128, device=DEVICE)
    plain = torch.nn.Linear(128, 128)
    plain.load_state_dict({k: v.cpu() for k, v in layer.state_dict().items()})
    x = torch.randn(32, 128)
    streams = [torch.xpu_lite.Stream() for _ in range(2)]
    sides = [(m, torch.optim.SGD(m.parameters(), lr=0.01), d)
             for m, d in ((layer, DEVICE), (plain, "cpu"))]
    for turn in range(4):
        for stream in streams:
            with torch.xpu_lite.stream(stream), torch.no_grad():
                for _ in range(3):
                    result = layer(x.to(DEVICE))
            stream.synchronize()
            torch.testing.assert_close(result.cpu(), plain(x).detach(), rtol=1e-4, atol=1e-4)
        for module, optimizer, device in sides:
            optimizer.zero_grad()
            module(x.to(device)).square().sum().backward()
            optimizer.step()
        torch.xpu_lite.synchronize()


def test_freed_weight():
    x = torch.randn(1, 16, 6, 6, device=DEVICE)
    addresses = set()
    for seed in range(12):  # the allocator gives the same memory again
        w = torch.randn(16, 16, 3, 3, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
        addresses.add(w.data_ptr())
        for _ in range(3):
            torch.testing.assert_close(F.conv2d(x, w).cpu(), on_cpu(x, w), rtol=1e-4, atol=1e-4)
        del w
    assert len(addresses) < 12
    assert counts()["kept"] == 0


def test_two_views_and_both_directions():
    base = torch.randn(64, 16, 3, 3, device=DEVICE)
    x = torch.randn(2, 16, 8, 8, device=DEVICE)
    for _ in range(3):
        for part in (base[:32], base[32:]):
            torch.testing.assert_close(F.conv2d(x, part).cpu(), on_cpu(x, part), rtol=1e-4, atol=1e-4)
    w = torch.randn(16, 16, 3, 3, device=DEVICE)
    for _ in range(3):  # the same numbers mean another thing to a transposed convolution
        torch.testing.assert_close(F.conv2d(x, w).cpu(), on_cpu(x, w), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(F.conv_transpose2d(x, w).cpu(),
                                   F.conv_transpose2d(x.cpu(), w.cpu()), rtol=1e-4, atol=1e-4)


def test_limit():
    x = torch.randn(1, 32, 6, 6, device=DEVICE)
    weights = [torch.randn(32, 32, 3, 3, device=DEVICE) for _ in range(6)]
    with torch.xpu_lite.set_packing(True, 100_000):
        for _ in range(3):
            for w in weights:
                torch.testing.assert_close(F.conv2d(x, w).cpu(), on_cpu(x, w), rtol=1e-4, atol=1e-4)
        assert counts()["bytes"] <= 100_000


def test_streams():
    x = torch.randn(4, 16, 32, 32, device=DEVICE)
    w = torch.randn(32, 16, 3, 3, device=DEVICE)
    expected = F.conv2d(x, w).cpu()
    torch.xpu_lite.synchronize()
    streams = [torch.xpu_lite.Stream() for _ in range(2)]
    for _ in range(4):
        for stream in streams:
            with torch.xpu_lite.stream(stream):
                result = F.conv2d(x, w)
            stream.synchronize()
            torch.testing.assert_close(result.cpu(), expected, rtol=1e-4, atol=1e-4)


def test_random_programs():
    """A small network whose weights are used, written, replaced and freed at random equals the
    same network without the cache."""
    rng = random.Random(3)
    x = torch.randn(1, 16, 6, 6, device=DEVICE)
    weights = [torch.randn(16, 16, 3, 3, device=DEVICE) for _ in range(4)]
    before = counts()
    for turn in range(150):
        at = rng.randrange(len(weights))
        what = rng.random()
        if what < 0.15:
            name = rng.choice([n for n in WRITES if n not in ("inference mode", "index", "fallback")])
            value = torch.randn(16, 16, 3, 3, device=DEVICE) * 0.3
            WRITES[name](weights[at], value)
        elif what < 0.25:
            weights[at] = torch.randn(16, 16, 3, 3, device=DEVICE)
        elif what < 0.3:
            torch.xpu_lite.empty_cache()
        w = weights[at]
        y = F.conv2d(x, w, padding=1)
        z = x.clone().requires_grad_(True)
        grad, = torch.autograd.grad(F.conv2d(z, w, padding=1).sum(), z)
        with torch.xpu_lite.set_packing(False):
            assert torch.equal(y, F.conv2d(x, w, padding=1)), turn
            expected, = torch.autograd.grad(F.conv2d(z, w, padding=1).sum(), z)
            assert torch.equal(grad, expected), turn
    assert counts()["hits"] > before["hits"] and counts()["written"] > before["written"]
