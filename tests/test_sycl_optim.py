"""Lists of tensors on the SYCL engine: _foreach_ operators, fused optimizer steps and
GradScaler's operators, against plain loops on the CPU."""

import copy

import pytest
import torch
from engine import sycl_only

pytestmark = sycl_only()

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
TOLERANCE = {torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.float32: 2e-6, torch.float64: 1e-12}
# Empty, scalar, longer than a chunk, not dense.
SHAPES = [(3, 5), (), (0,), (70001,), (2, 3, 4)]


def tensors(dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(shape, generator=generator).to(dtype) for shape in SHAPES]
    made.append(torch.randn(6, 4, generator=generator).to(dtype).t())
    return made


def on_device(lists):
    return [[t.to("xpu_lite") for t in some] for some in lists]


def close(actual, expected, dtype):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        assert a.device.type == "xpu_lite" and a.dtype == e.dtype and a.shape == e.shape
        torch.testing.assert_close(
            a.cpu(), e, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], equal_nan=True
        )


@pytest.fixture(autouse=True)
def no_fallback():
    before = torch.xpu_lite.fallbacks()
    yield
    assert torch.xpu_lite.fallbacks() == before


CASES = {
    "add": lambda x, y, z: torch._foreach_add(x, y, alpha=0.5),
    "add scalar": lambda x, y, z: torch._foreach_add(x, 1.5),
    "add scalars": lambda x, y, z: torch._foreach_add(x, [float(i) for i in range(len(x))]),
    "sub": lambda x, y, z: torch._foreach_sub(x, y),
    "mul": lambda x, y, z: torch._foreach_mul(x, y),
    "mul scalar": lambda x, y, z: torch._foreach_mul(x, -3),
    "div": lambda x, y, z: torch._foreach_div(x, z),
    "maximum": lambda x, y, z: torch._foreach_maximum(x, y),
    "clamp_min": lambda x, y, z: torch._foreach_clamp_min(x, 0.25),
    "lerp": lambda x, y, z: torch._foreach_lerp(x, y, 0.3),
    "lerp list": lambda x, y, z: torch._foreach_lerp(x, y, z),
    "addcmul": lambda x, y, z: torch._foreach_addcmul(x, y, z, 0.5),
    "addcdiv": lambda x, y, z: torch._foreach_addcdiv(x, y, z, -0.5),
    "addcdiv scalars": lambda x, y, z: torch._foreach_addcdiv(
        x, y, z, [0.1 * i for i in range(len(x))]
    ),
    "sqrt": lambda x, y, z: torch._foreach_sqrt(z),
    "neg": lambda x, y, z: torch._foreach_neg(x),
    "abs": lambda x, y, z: torch._foreach_abs(x),
    "reciprocal": lambda x, y, z: torch._foreach_reciprocal(z),
    "round": lambda x, y, z: torch._foreach_round(x),
    "exp": lambda x, y, z: torch._foreach_exp(x),
    "sigmoid": lambda x, y, z: torch._foreach_sigmoid(x),
    "pow": lambda x, y, z: torch._foreach_pow(z[:2], 2.0),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_foreach(name, dtype):
    x, y = tensors(dtype), tensors(dtype, 1)
    z = [t.abs() + 0.5 for t in tensors(dtype, 2)]
    expected = CASES[name](x, y, z)
    close(CASES[name](*on_device((x, y, z))), expected, dtype)


def test_foreach_in_place_and_copies():
    x, y = tensors(torch.float32), tensors(torch.float32, 1)
    (x_on, y_on) = on_device((x, y))
    versions = [t._version for t in x_on]
    for some, other in ((x, y), (x_on, y_on)):
        torch._foreach_add_(some, other, alpha=2)
        torch._foreach_mul_(some, torch.tensor(0.5, device=some[0].device))
        torch._foreach_copy_(other, some)
        torch._foreach_add_(other, 1)
    close(x_on, x, torch.float32)
    close(y_on, y, torch.float32)
    assert all(t._version > v for t, v in zip(x_on, versions))
    torch._foreach_zero_(x_on)
    assert all(not t.any() for t in x_on)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_foreach_moves_of_other_types(dtype):
    x = [(t * 3).to(dtype) for t in tensors(torch.float32)]
    (x_on,) = on_device((x,))
    copies = [torch.zeros_like(t) for t in x_on]
    torch._foreach_copy_(copies, x_on)
    assert all(torch.equal(c.cpu(), e) for c, e in zip(copies, x))
    torch._foreach_zero_(copies)
    assert all(not c.cpu().any() for c in copies)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("order", [1, 2, float("inf")])
def test_foreach_norm(order, dtype):
    x = [t for t in tensors(dtype) if t.numel()]
    (x_on,) = on_device((x,))
    expected = [torch.linalg.vector_norm(t.double(), order).to(dtype) for t in x]
    close(torch._foreach_norm(x_on, order), expected, dtype)
    close(torch._foreach_max(x_on), [t.max() for t in x], dtype)
    x_on[0].view(-1)[3] = float("nan")
    assert torch._foreach_norm(x_on, order)[0].isnan()
    assert torch._foreach_max(x_on)[0].isnan()


def test_norms_have_the_same_bits_every_time():
    x = [torch.randn(500001, device="xpu_lite") for _ in range(3)]
    first = torch._foreach_norm(x)
    assert all(torch.equal(a, b) for a, b in zip(first, torch._foreach_norm(x)))


OPTIMIZERS = {
    "adam": (torch.optim.Adam, dict(lr=1e-2, weight_decay=0.1)),
    "adam amsgrad": (torch.optim.Adam, dict(lr=1e-2, amsgrad=True, maximize=True)),
    "adamw": (torch.optim.AdamW, dict(lr=1e-2)),
    "sgd": (torch.optim.SGD, dict(lr=1e-2, weight_decay=0.1)),
    "sgd momentum": (torch.optim.SGD, dict(lr=1e-2, momentum=0.9, dampening=0.1)),
    "sgd nesterov": (torch.optim.SGD, dict(lr=1e-2, momentum=0.9, nesterov=True)),
    "adagrad": (torch.optim.Adagrad, dict(lr=1e-2, lr_decay=0.1, weight_decay=0.1)),
}


def train(kind, settings, device, dtype, steps=4, rounded=None, **more):
    """Parameters after some steps, from numbers that the type `rounded` has."""
    rounded = rounded or dtype
    parameters = [t.to(device, dtype, copy=True).requires_grad_() for t in tensors(rounded)]
    optimizer = kind(parameters, **settings, **more)
    for step in range(steps):
        for p, g in zip(parameters, tensors(rounded, 10 + step)):
            p.grad = g.to(device, dtype)
        optimizer.step()
    return [p.detach() for p in parameters], optimizer


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fused_steps(name, dtype):
    kind, settings = OPTIMIZERS[name]
    if dtype == torch.float16 and kind is not torch.optim.SGD:
        settings = dict(settings, eps=1e-3)  # 1e-8 is zero there
    # The CPU's own loop in a 16-bit type rounds every operation: float is the reference.
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    expected, _ = train(kind, settings, "cpu", wide, rounded=dtype, foreach=False)
    actual, _ = train(kind, settings, "xpu_lite", dtype, fused=True)
    tolerance = {torch.float16: 1e-2, torch.bfloat16: 4e-2, torch.float32: 2e-5}.get(dtype, 1e-10)
    for a, e in zip(actual, expected):
        torch.testing.assert_close(a.cpu().to(wide), e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["adam", "sgd momentum"])
def test_foreach_steps(name):
    kind, settings = OPTIMIZERS[name]
    expected, _ = train(kind, settings, "cpu", torch.float32, foreach=False)
    actual, _ = train(kind, settings, "xpu_lite", torch.float32, foreach=True)
    for a, e in zip(actual, expected):
        torch.testing.assert_close(a.cpu(), e, rtol=2e-5, atol=2e-5)


def test_capturable_and_tensor_learning_rate():
    expected, _ = train(torch.optim.AdamW, dict(lr=1e-2), "cpu", torch.float32)
    rate = torch.tensor(1e-2, device="xpu_lite")
    actual, optimizer = train(
        torch.optim.AdamW, dict(lr=rate, capturable=True), "xpu_lite", torch.float32, fused=True
    )
    for a, e in zip(actual, expected):
        torch.testing.assert_close(a.cpu(), e, rtol=2e-5, atol=2e-5)
    state = optimizer.state_dict()["state"][0]
    assert state["step"].device.type == "xpu_lite" and state["step"].item() == 4


def test_gradient_scale_and_found_inf():
    p = torch.ones(100, device="xpu_lite")
    g = torch.full((100,), 8.0, device="xpu_lite")
    scale = torch.tensor(4.0, device="xpu_lite")
    found = torch.tensor(0.0, device="xpu_lite")
    step = lambda: torch._fused_sgd_(
        [p], [g], [], weight_decay=0.0, momentum=0.0, lr=0.5, dampening=0.0, nesterov=False,
        maximize=False, is_first_step=False, grad_scale=scale, found_inf=found,
    )
    step()
    assert torch.equal(p.cpu(), torch.zeros(100)) and torch.equal(g.cpu(), torch.full((100,), 2.0))
    found.fill_(1)
    step()
    assert torch.equal(p.cpu(), torch.zeros(100)) and torch.equal(g.cpu(), torch.full((100,), 2.0))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_unscaling(dtype):
    grads = [t.clone() for t in tensors(dtype)]
    (grads_on,) = on_device((grads,))
    found = torch.zeros((), device="xpu_lite")
    scale = torch.tensor(0.25, device="xpu_lite")
    torch._amp_foreach_non_finite_check_and_unscale_(grads_on, found, scale)
    assert found.item() == 0
    close(grads_on, [g * 0.25 for g in grads], dtype)
    grads_on[3][70000] = float("inf")
    torch._amp_foreach_non_finite_check_and_unscale_(grads_on, found, scale)
    assert found.item() == 1


def test_scale_update():
    scale = torch.tensor(8.0, device="xpu_lite")
    tracker = torch.tensor(0, dtype=torch.int32, device="xpu_lite")
    found = torch.tensor(0.0, device="xpu_lite")
    seen = []
    for inf in (0, 0, 0, 1, 0, 0):
        found.fill_(inf)
        torch._amp_update_scale_(scale, tracker, found, 2.0, 0.5, 2)
        seen.append((scale.item(), tracker.item()))
    assert seen == [(8, 1), (16, 0), (16, 1), (8, 0), (8, 1), (16, 0)]


def test_gradient_scaler_trains():
    model = torch.nn.Linear(20, 4)
    reference = copy.deepcopy(model)
    model.to("xpu_lite")
    x, y = torch.randn(8, 20), torch.randn(8, 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    plain = torch.optim.AdamW(reference.parameters(), lr=1e-2)
    scaler = torch.amp.GradScaler("xpu_lite", init_scale=1024.0)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (model(x.to("xpu_lite")) - y.to("xpu_lite")).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        plain.zero_grad()
        (reference(x) - y).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
        plain.step()
    for a, e in zip(model.parameters(), reference.parameters()):
        torch.testing.assert_close(a.detach().cpu(), e.detach(), rtol=1e-4, atol=1e-5)


def test_lists_of_different_lengths():
    x = [torch.ones(3, device="xpu_lite")] * 2
    with pytest.raises(RuntimeError, match="same number"):
        torch._foreach_add(x, x[:1])
    with pytest.raises(RuntimeError, match="at least one"):
        torch._foreach_add([], [])
