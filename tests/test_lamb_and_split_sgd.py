"""torch_xpu_lite.optim: LAMB against its formula, split SGD against float32 SGD."""

import copy

import pytest
import torch
from torch import nn

from torch_xpu_lite.optim import Lamb, SplitSGD
from torch_xpu_lite.optim.split_sgd import join, split

DEVICE = "xpu_lite"


def gradients(model, step):
    torch.manual_seed(step)
    for p in model.parameters():
        p.grad = torch.randn(p.shape).to(p.device, p.dtype)


def lamb_by_the_book(p, grads, lr, betas, eps, decay):
    """In double, a tensor alone, from the paper's algorithm 2."""
    p = p.double()
    m, v = torch.zeros_like(p), torch.zeros_like(p)
    for t, g in enumerate(grads, 1):
        g = g.double()
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        u = m / (1 - betas[0] ** t) / ((v / (1 - betas[1] ** t)).sqrt() + eps) + decay * p
        size, change = p.norm(), u.norm()
        ratio = size / change if size > 0 and change > 0 else 1.0
        p = p - lr * ratio * u
    return p


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lamb_is_the_papers(decay):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    nn.init.zeros_(model[1].bias)  # a norm of zero
    there = copy.deepcopy(model).to(DEVICE)
    optimizer = Lamb(there.parameters(), lr=0.02, betas=(0.8, 0.95), weight_decay=decay)
    seen = [[] for _ in model.parameters()]
    for step in range(5):
        gradients(there, step)
        for kept, p in zip(seen, there.parameters()):
            kept.append(p.grad.cpu())
        assert optimizer.step() is None
    for p, before, grads in zip(there.parameters(), model.parameters(), seen):
        expected = lamb_by_the_book(before.detach(), grads, 0.02, (0.8, 0.95), 1e-8, decay)
        torch.testing.assert_close(p.detach().cpu().double(), expected, atol=1e-5, rtol=1e-4)
        assert not torch.equal(p.cpu(), before)


def test_lamb_learns_and_is_saved():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1)).to(DEVICE)
    x = torch.randn(64, 4).to(DEVICE)
    y = x.sum(1, keepdim=True).sin()
    optimizer = Lamb(model.parameters(), lr=0.02)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(150):
        assert optimizer.step(closure).item() == losses[-1]
    assert losses[-1] < 0.3 * losses[0]
    other = copy.deepcopy(model)
    again = Lamb(other.parameters(), lr=0.02)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for target, opt in ((model, optimizer), (other, again)):
        gradients(target, 3)
        opt.step()
    for a, b in zip(model.parameters(), other.parameters()):
        assert torch.equal(a, b)


def test_halves_join_to_the_same_bits():
    torch.manual_seed(0)
    values = torch.cat([torch.randn(1000) * 10.0 ** torch.randint(-30, 30, (1000,)),
                        torch.tensor([0.0, -0.0, float("inf"), -float("inf"), 1e-40, -1.0])])
    upper, lower = split(values.to(DEVICE))
    assert upper.dtype == torch.bfloat16 and lower.dtype == torch.int16
    assert torch.equal(join(upper, lower).cpu().view(torch.int32), values.view(torch.int32))


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True},
                                     {"momentum": 0.5, "dampening": 0.3, "weight_decay": 0.1}])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_split_sgd_is_float32_sgd(options, dtype):
    torch.manual_seed(0)
    there = nn.Linear(6, 5).to(DEVICE, dtype)
    master = copy.deepcopy(there).cpu().float()
    split_sgd = SplitSGD(there.parameters(), lr=1e-4, **options)
    sgd = torch.optim.SGD(master.parameters(), lr=1e-4, **options)
    for step in range(20):
        gradients(there, step)
        for p, q in zip(there.parameters(), master.parameters()):
            q.grad = p.grad.cpu().float()
        split_sgd.step()
        sgd.step()
    for p, q in zip(there.parameters(), master.parameters()):
        torch.testing.assert_close(split_sgd.master_weight(p).cpu(), q.detach(), atol=1e-7,
                                   rtol=1e-6)
        assert p.dtype == dtype


def test_small_steps_are_not_lost():
    """In bfloat16 alone 1 - 0.001 is 1: a thousand such steps go nowhere."""
    p = nn.Parameter(torch.ones(4, dtype=torch.bfloat16, device=DEVICE))
    plain = nn.Parameter(p.detach().clone())
    optimizers = [SplitSGD([p], lr=1e-3), torch.optim.SGD([plain], lr=1e-3)]
    for _ in range(500):
        for q, optimizer in zip((p, plain), optimizers):
            q.grad = torch.ones_like(q)
            optimizer.step()
    assert plain.unique().tolist() == [1.0]
    assert optimizers[0].master_weight(p).cpu().sub(0.5).abs().max() < 1e-3
    assert abs(p[0].item() - 0.5) < 0.01


def test_split_sgd_is_saved_with_its_halves():
    torch.manual_seed(0)
    model = nn.Linear(6, 5).to(DEVICE, torch.bfloat16)
    optimizer = SplitSGD(model.parameters(), lr=1e-3, momentum=0.9)
    gradients(model, 0)
    optimizer.step()
    other = copy.deepcopy(model)
    again = SplitSGD(other.parameters(), lr=1e-3, momentum=0.9)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for p, q in zip(model.parameters(), other.parameters()):
        assert again.state[q]["lower"].dtype == torch.int16
        assert again.state[q]["momentum_buffer"].dtype == torch.float32
        assert torch.equal(optimizer.master_weight(p), again.master_weight(q))
    for target, opt in ((model, optimizer), (other, again)):
        gradients(target, 1)
        opt.step()
    for p, q in zip(model.parameters(), other.parameters()):
        assert torch.equal(optimizer.master_weight(p), again.master_weight(q))


@pytest.mark.parametrize("make, text", [
    (lambda p: Lamb(p, lr=-1), "Lamb: lr=-1"), (lambda p: Lamb(p, betas=(0.9, 1.0)), "betas.1.=1.0"),
    (lambda p: Lamb(p, eps=float("nan")), "eps=nan"),
    (lambda p: SplitSGD(p, momentum=-0.1), "SplitSGD: momentum=-0.1"),
    (lambda p: SplitSGD(p, nesterov=True), "nesterov=True needs momentum")])
def test_numbers_out_of_range(make, text):
    with pytest.raises(ValueError, match=text):
        make([nn.Parameter(torch.ones(2, device=DEVICE))])


@pytest.mark.parametrize("kind", [Lamb, SplitSGD])
def test_sparse_gradients_are_refused(kind):
    table = nn.Embedding(5, 3, sparse=True).to(DEVICE)
    optimizer = kind(table.parameters(), lr=0.1)
    table(torch.tensor([1, 2], device=DEVICE)).sum().backward()
    with pytest.raises(RuntimeError, match="sparse gradients are not supported"):
        optimizer.step()
