"""Every optimizer of torch's database: foreach and fused on the device against the plain CPU loop.

The plain loop (foreach=False, fused=False) is the reference, also for the 16-bit types: the CPU's
own fused and foreach forms disagree with it there.
"""

import copy

import pytest
import torch
from torch.testing._internal.common_optimizers import optim_db
from twin import DEVICE

INFOS = {info.optim_cls.__name__: info for info in optim_db}
STEPS = 4
SHAPES = [(5, 3), (7,), (2, 3, 4, 4), (), (300, 129)]


def shapes_of(name):
    return [(5, 3), (64, 65)] if name == "Muon" else SHAPES


def inputs_of(name):
    """(id, keyword arguments): those of the CPU and, from the CUDA list, the capturable ones."""
    info, found = INFOS[name], {}
    for device in ("cpu", "cuda"):
        for item in info.optim_inputs_func(device=device):
            found[",".join(f"{k}={v}" for k, v in item.kwargs.items()) or "default"] = item.kwargs
    return found


def parameters(name, dtype, device):
    generator = torch.Generator().manual_seed(3)
    out = []
    for shape in shapes_of(name):
        value = torch.randn(shape, generator=generator).to(dtype)
        if value.dim() == 4:
            value = value.to(memory_format=torch.channels_last)
        out.append(torch.nn.Parameter(value.to(device)))
    return out


def gradients(params, step, sparse=False):
    """Gradients that depend on the step only; contiguous where a parameter is channels last."""
    generator = torch.Generator().manual_seed(100 + step)
    for p in params:
        grad = torch.randn(p.shape, generator=generator).to(p.dtype)
        if sparse:
            # Built on the CPU: every third row, or the whole of a scalar.
            grad = grad.clone()
            if grad.dim():
                grad[torch.arange(grad.shape[0]) % 3 != 0] = 0
            grad = grad.to_sparse(min(1, grad.dim()) or 0)
        p.grad = grad.to(p.device)


def train(name, kwargs, dtype, device, steps=STEPS, sparse=False):
    params = parameters(name, dtype, device)
    if sparse:
        params = [p for p in params if p.dim()]
    kwargs = copy.deepcopy(kwargs)
    optimizer = INFOS[name].optim_cls(params, **kwargs)
    for step in range(steps):
        gradients(params, step, sparse)
        if INFOS[name].step_requires_closure:
            optimizer.step(lambda: sum((p * p).sum() for p in params))
        else:
            optimizer.step()
    return params, optimizer


def assert_same(cpu, dev, atol, rtol, what="parameters"):
    for i, (c, d) in enumerate(zip(cpu, dev)):
        assert d.device.type == torch.device(DEVICE).type
        torch.testing.assert_close(d.detach().cpu(), c.detach(), atol=atol, rtol=rtol,
                                   msg=lambda m: f"{what}[{i}]: {m}")


def cases(impl):
    return [pytest.param(name, case, id=f"{name}-{case}") for name, info in INFOS.items()
            if impl in ("plain", *info.supported_impls) for case in inputs_of(name)]


def without_capturable(kwargs):
    """The CPU and the fused steps have no capturable form; the result is the same."""
    return {k: v for k, v in kwargs.items() if k != "capturable"}


def run_case(name, case, impl, dtype=torch.float32, atol=2e-5, rtol=2e-5):
    kwargs = inputs_of(name)[case]
    if name == "LBFGS":  # its line search multiplies the roundings of scalar products
        dtype = torch.float64
    plain = {"foreach": False} if INFOS[name].supported_impls else {}
    sparse = INFOS[name].only_supports_sparse_grads
    want, _ = train(name, {**without_capturable(kwargs), **plain}, dtype, "cpu", sparse=sparse)
    switch = {"plain": plain, "foreach": {"foreach": True}, "fused": {"fused": True}}[impl]
    here = {**(without_capturable(kwargs) if impl == "fused" else kwargs), **switch}
    try:
        got, _ = train(name, here, dtype, DEVICE, sparse=sparse)
    except ValueError:
        # Some optimizers reject a tensor as learning rate here: then on the CPU too.
        with pytest.raises(ValueError, match="lr as a Tensor"):
            train(name, here, dtype, "cpu", sparse=sparse)
        return
    assert_same(want, got, atol, rtol)


@pytest.mark.parametrize("name, case", cases("plain"))
def test_plain(name, case):
    run_case(name, case, "plain")


@pytest.mark.parametrize("name, case", cases("foreach"))
def test_foreach(name, case):
    run_case(name, case, "foreach")


@pytest.mark.parametrize("name, case", cases("fused"))
def test_fused(name, case):
    run_case(name, case, "fused")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name, kwargs", [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
    ("SGD", {"lr": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "eps": 1e-3}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "eps": 1e-3}),
], ids=lambda v: v if isinstance(v, str) else ",".join(v))
def test_fused_in_other_types(name, kwargs, dtype):
    # The reference rounds after every operation, the kernel once: the plain loop in double
    # from the same numbers is what both approach.
    params = [p.to(torch.float64) for p in parameters(name, dtype, "cpu")]
    want = [torch.nn.Parameter(p.detach().clone()) for p in params]
    reference = INFOS[name].optim_cls(want, foreach=False, **kwargs)
    got = parameters(name, dtype, DEVICE)
    fused = INFOS[name].optim_cls(got, fused=True, **kwargs)
    for step in range(STEPS):
        gradients(got, step)
        for p, q in zip(want, got):
            p.grad = q.grad.cpu().double()
        reference.step()
        fused.step()
    tolerance = {torch.bfloat16: 2e-2, torch.float16: 3e-3, torch.float64: 1e-12}[dtype]
    assert_same(want, [p.detach().double() for p in got], tolerance, tolerance)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adagrad"])
@pytest.mark.parametrize("where", ["cpu", DEVICE])
def test_fused_learning_rate_tensor(name, where):
    want, _ = train(name, {"lr": 0.05, "foreach": False}, torch.float32, "cpu")
    got, _ = train(name, {"lr": torch.tensor(0.05, device=where), "fused": True}, torch.float32,
                   DEVICE)
    assert_same(want, got, 2e-5, 2e-5)


@pytest.mark.parametrize("impl", ["foreach", "fused"])
@pytest.mark.parametrize("name", [n for n in INFOS if "fused" in INFOS[n].supported_impls])
def test_state_dict_round_trip(name, impl):
    """Two steps on one device, two more on the other, both ways."""
    kwargs = {"lr": 0.01, **({"momentum": 0.9} if name == "SGD" else {})}

    def two_steps(params, optimizer, first):
        for step in (first, first + 1):
            gradients(params, step)
            optimizer.step()

    def make(device, switch, values=None):
        params = parameters(name, torch.float32, device)
        if values is not None:
            with torch.no_grad():
                for p, v in zip(params, values):
                    p.copy_(v)
        return params, INFOS[name].optim_cls(params, **kwargs, **switch)

    want, _ = train(name, {**kwargs, "foreach": False}, torch.float32, "cpu")
    for start, end in (("cpu", DEVICE), (DEVICE, "cpu")):
        switches = {"cpu": {"foreach": False}, DEVICE: {impl: True}}
        params, optimizer = make(start, switches[start])
        two_steps(params, optimizer, 0)
        moved, second = make(end, switches[end], params)
        saved = copy.deepcopy(optimizer.state_dict())
        for group in saved["param_groups"]:
            group.update({"foreach": None, "fused": None}, **switches[end])
        second.load_state_dict(saved)
        for p in moved:
            for key, value in second.state[p].items():
                if isinstance(value, torch.Tensor) and key != "step":
                    assert value.device == p.device
        two_steps(moved, second, 2)
        for c, d in zip(want, moved):
            torch.testing.assert_close(d.detach().cpu(), c.detach(), atol=2e-5, rtol=2e-5)


def test_foreach_is_the_default():
    params = parameters("Adam", torch.float32, DEVICE)
    with torch.profiler.profile() as profile:
        optimizer = torch.optim.Adam(params)
        gradients(params, 0)
        optimizer.step()
    assert any("_foreach_" in event.key for event in profile.key_averages())


def test_fused_leaves_gradients_alone_and_writes_state_in_place():
    params = parameters("Adam", torch.float32, DEVICE)
    optimizer = torch.optim.Adam(params, fused=True)
    gradients(params, 0)
    before = [p.grad.clone() for p in params]
    optimizer.step()
    assert all(torch.equal(a.cpu(), p.grad.cpu()) for a, p in zip(before, params))
    pointers = [optimizer.state[p]["exp_avg"].data_ptr() for p in params]
    optimizer.step()
    assert pointers == [optimizer.state[p]["exp_avg"].data_ptr() for p in params]
    assert all(float(optimizer.state[p]["step"]) == 2 for p in params)


def test_fused_parameter_with_gaps():
    base = torch.zeros(4, 6, device=DEVICE)
    view = base[:, ::2].requires_grad_()
    view.grad = torch.ones(4, 3, device=DEVICE)
    torch.optim.SGD([view], lr=0.5, fused=True).step()
    assert torch.equal(base.cpu()[:, ::2], torch.full((4, 3), -0.5))
    assert torch.equal(base.cpu()[:, 1::2], torch.zeros(4, 3))


def test_fused_errors_name_the_argument():
    p = [torch.zeros(3, device=DEVICE)]
    with pytest.raises(RuntimeError, match=r"_fused_sgd_: grads\[0\] has size"):
        torch._fused_sgd_(p, [torch.zeros(4, device=DEVICE)], [], weight_decay=0.0, momentum=0.0,
                          lr=0.1, dampening=0.0, nesterov=False, maximize=False,
                          is_first_step=False)
    with pytest.raises(RuntimeError, match="as many momentum_buffer_list as parameters"):
        torch._fused_sgd_(p, p, [], weight_decay=0.0, momentum=0.9, lr=0.1, dampening=0.0,
                          nesterov=False, maximize=False, is_first_step=False)


def test_functional_form_changes_nothing():
    p, g = torch.ones(3, device=DEVICE), torch.ones(3, device=DEVICE)
    out = torch.ops.aten._fused_sgd([p], [g], [], weight_decay=0.0, momentum=0.0, lr=0.5,
                                    dampening=0.0, nesterov=False, maximize=False,
                                    is_first_step=False)
    assert torch.equal(p.cpu(), torch.ones(3))
    assert torch.equal(out[0][0].cpu(), torch.full((3,), 0.5))


@pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no streams")
@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_fused_in_stream_order(name):
    want, _ = train(name, {"lr": 0.05, "foreach": False}, torch.float32, "cpu", steps=10)
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        got, _ = train(name, {"lr": 0.05, "fused": True}, torch.float32, DEVICE, steps=10)
        assert_same(want, got, 5e-5, 5e-5)


@pytest.mark.parametrize("name", [n for n in INFOS if "fused" in INFOS[n].supported_impls])
def test_fused_moves_version_counters(name):
    params = parameters(name, torch.float32, DEVICE)
    gradients(params, 0)
    versions = [p._version for p in params]
    INFOS[name].optim_cls(params, lr=0.1, fused=True).step()
    assert all(p._version > v for p, v in zip(params, versions))
