"""torch.amp.GradScaler on the device: its two operators, and whole training steps."""

import pytest
import torch
from twin import DEVICE

INF, NAN = float("inf"), float("nan")


def unscale(grads, inv_scale):
    found = torch.zeros((), device=DEVICE)
    torch._amp_foreach_non_finite_check_and_unscale_(grads, found,
                                                     torch.tensor(inv_scale, device=DEVICE))
    return float(found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_unscale(dtype):
    values = [torch.randn(5, 3), torch.randn(()), torch.randn(70001)]
    grads = [v.to(dtype, copy=True).to(DEVICE) for v in values]
    assert unscale(grads, 0.5) == 0
    for value, grad in zip(values, grads):
        torch.testing.assert_close(grad.cpu(), (value.to(dtype).float() * 0.5).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("poison", [INF, -INF, NAN])
@pytest.mark.parametrize("place", [0, 1, 40000, 69999])
def test_unscale_finds_one_bad_number(dtype, poison, place):
    bad = torch.ones(70000, dtype=dtype)
    bad[place] = poison
    grads = [torch.ones(3, dtype=dtype, device=DEVICE), bad.to(DEVICE)]
    assert unscale(grads, 0.25) == 1
    assert unscale(grads, 1.0) == 1


def test_unscale_keeps_what_was_found():
    found = torch.ones((), device=DEVICE)
    torch._amp_foreach_non_finite_check_and_unscale_([torch.ones(3, device=DEVICE)], found,
                                                     torch.ones((), device=DEVICE))
    assert float(found) == 1


def test_unscale_of_views_with_gaps_and_mixed_types():
    base = torch.ones(4, 6, device=DEVICE)
    other = torch.ones(3, dtype=torch.float64, device=DEVICE)
    assert unscale([base[:, ::2], other], 0.5) == 0
    assert torch.equal(base.cpu()[:, ::2], torch.full((4, 3), 0.5))
    assert torch.equal(base.cpu()[:, 1::2], torch.ones(4, 3))
    assert torch.equal(other.cpu(), torch.full((3,), 0.5, dtype=torch.float64))


def test_unscale_errors():
    one = torch.ones((), device=DEVICE)
    check = torch._amp_foreach_non_finite_check_and_unscale_
    check([], one, one)
    with pytest.raises(RuntimeError, match="inv_scale must be a 1-element tensor"):
        check([torch.ones(2, device=DEVICE)], one, torch.ones(2, device=DEVICE))
    with pytest.raises(RuntimeError, match="found_inf must be of type"):
        check([torch.ones(2, device=DEVICE)], one.double(), one)
    with pytest.raises(RuntimeError, match=r"scaled_grads\[0\] must be"):
        check([torch.ones(2, dtype=torch.int64, device=DEVICE)], one, one)


@pytest.mark.parametrize("found, tracker, scale, want_scale, want_tracker", [
    (0.0, 0, 8.0, 8.0, 1),
    (0.0, 1, 8.0, 8.0, 2),
    (0.0, 2, 8.0, 16.0, 0),
    (1.0, 2, 8.0, 4.0, 0),
    (0.0, 2, 3e38, 3e38, 0),  # would grow to infinity
])
def test_update_scale(found, tracker, scale, want_scale, want_tracker):
    current = torch.tensor(scale, device=DEVICE)
    count = torch.tensor(tracker, dtype=torch.int32, device=DEVICE)
    result = torch._amp_update_scale_(current, count, torch.tensor(found, device=DEVICE), 2.0,
                                      0.5, 3)
    assert result.data_ptr() == current.data_ptr()
    assert float(current) == torch.tensor(want_scale)
    assert int(count) == want_tracker


def loop(device, fused, bad_step=3, steps=8):
    """Losses and scales of a small training run in which one step overflows."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    model = model.to(device)
    data = torch.randn(16, 6).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05,
                                 **({"fused": True} if fused else {"foreach": False}))
    scaler = torch.amp.GradScaler(device, init_scale=1024.0, growth_interval=2)
    losses, scales = [], []
    for step in range(steps):
        optimizer.zero_grad()
        loss = model(data).square().mean()
        scaler.scale(loss).backward()
        if step == bad_step:
            next(model.parameters()).grad[0, 0] = INF
        scaler.step(optimizer)
        scaler.update()
        losses.append(float(loss.detach()))
        scales.append(scaler.get_scale())
    steps_taken = [float(s["step"]) for s in optimizer.state.values()]
    return losses, scales, steps_taken


@pytest.mark.parametrize("fused", [False, True])
def test_training_with_an_overflow(fused):
    want = loop("cpu", False)
    losses, scales, steps = loop(DEVICE, fused)
    assert scales == want[1]
    assert steps == want[2]
    assert losses == pytest.approx(want[0], rel=1e-4)


@pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no streams")
@pytest.mark.parametrize("fused", [False, True])
def test_training_on_another_stream(fused):
    want = loop("cpu", False)
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        losses, scales, _ = loop(DEVICE, fused)
    assert scales == want[1]
    assert losses == pytest.approx(want[0], rel=1e-4)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
@pytest.mark.parametrize("found", [0.0, 1.0])
def test_fused_step_with_grad_scale(name, found):
    """A fused step unscales gradients and writes them back, or does nothing if found_inf."""
    p = torch.nn.Parameter(torch.ones(5, device=DEVICE))
    q = torch.nn.Parameter(torch.ones(5))
    p.grad = torch.full((5,), 8.0, device=DEVICE)
    q.grad = torch.full((5,), 2.0)
    optimizer = getattr(torch.optim, name)([p], lr=0.1, fused=True)
    optimizer.grad_scale = torch.tensor(4.0, device=DEVICE)
    optimizer.found_inf = torch.tensor(found, device=DEVICE)
    optimizer.step()
    if found:
        assert torch.equal(p.detach().cpu(), torch.ones(5))
        assert torch.equal(p.grad.cpu(), torch.full((5,), 8.0))
        assert all(float(s.get("step", 0)) == 0 for s in optimizer.state.values())
    else:
        getattr(torch.optim, name)([q], lr=0.1, foreach=False).step()
        torch.testing.assert_close(p.detach().cpu(), q.detach())
        assert torch.equal(p.grad.cpu(), torch.full((5,), 2.0))


def test_state_dict():
    scaler = torch.amp.GradScaler(DEVICE, init_scale=16.0)
    other = torch.amp.GradScaler(DEVICE)
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 16.0
