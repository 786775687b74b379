"""Which route operators take: models never need the boxed fallback; it is counted and forbiddable."""

import copy

import models
import pytest
import torch
from engine import ENGINE
from twin import DEVICE, twin

pytestmark = pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no fallback")

CASES = {**models.SMALL, "resnet50": models.resnet50}


@pytest.fixture(autouse=True)
def allow_afterwards():
    yield
    torch.xpu_lite.set_fallback_policy("allow")


def fallbacks_in(fn):
    before = dict(torch.xpu_lite.fallbacks())
    fn()
    torch.xpu_lite.synchronize()
    return {k: v - before.get(k, 0) for k, v in torch.xpu_lite.fallbacks().items()
            if v != before.get(k, 0)}


@pytest.mark.parametrize("options", [{}, {"foreach": False}, {"fused": True}],
                         ids=["default", "plain", "fused"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["float32", "autocast"])
@pytest.mark.parametrize("name", list(CASES))
def test_training_step_has_no_fallback(name, dtype, options):
    model, batch = CASES[name]()
    model.train()
    for dropout in (m for m in model.modules() if isinstance(m, torch.nn.Dropout)):
        dropout.p = 0.1
    if name == "resnet50":
        model.eval()  # see test_models.py

    def step():
        torch.xpu_lite.set_fallback_policy("error")
        on_device = model.to(DEVICE)
        optimizer = torch.optim.AdamW(on_device.parameters(), lr=1e-3, **options)
        there = twin(batch)
        for _ in range(2):
            optimizer.zero_grad()
            with torch.autocast(DEVICE, dtype, enabled=dtype is not None):
                loss, _ = models.loss_of(on_device, there)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(on_device.parameters(), 1.0)
            optimizer.step()
        assert torch.isfinite(loss).item()

    assert fallbacks_in(step) == {}


@pytest.mark.parametrize("name", list(CASES))
def test_inference_has_no_fallback(name):
    model, batch = CASES[name]()

    def infer():
        torch.xpu_lite.set_fallback_policy("error")
        on_device = copy.deepcopy(model).to(DEVICE).eval()
        with torch.inference_mode():
            loss, _ = models.loss_of(on_device, twin(batch))
        assert torch.isfinite(loss).item()

    assert fallbacks_in(infer) == {}


def a_fallback():
    """An operator that has no kernel of the device's own: a sparse product."""
    eye = torch.eye(3, device=DEVICE).to_sparse_csr()
    return (eye @ torch.ones(3, 2, device=DEVICE)).cpu()


def test_fallbacks_are_counted_by_operator():
    counts = fallbacks_in(a_fallback)
    assert counts and all(name.startswith("aten::") for name in counts)
    assert all(isinstance(n, int) and n > 0 for n in counts.values())


def test_fallbacks_can_be_forbidden():
    torch.xpu_lite.set_fallback_policy("error")
    with pytest.raises(RuntimeError, match="fallback"):
        a_fallback()
    torch.xpu_lite.set_fallback_policy("allow")
    assert a_fallback().tolist() == [[1, 1]] * 3  # the device is usable afterwards


def test_fallback_warning():
    torch.xpu_lite.reset_fallbacks()  # each operator warns once
    torch.xpu_lite.set_fallback_policy("warn")
    with pytest.warns(UserWarning, match="aten::"):
        a_fallback()


def test_unknown_policy_is_an_error():
    with pytest.raises(ValueError, match="allow.*warn.*error"):
        torch.xpu_lite.set_fallback_policy("sometimes")


def test_routes_are_printed():
    """XPU_LITE_VERBOSE=routes says of each operator which route it took."""
    from process import run

    output = run(
        "import torch\n"
        "x = torch.ones(4, device='xpu_lite')\n"
        "y = (x + x).cumsum(0)\n",
        XPU_LITE_VERBOSE="routes",
    ).stderr
    # All kernels of the SYCL engine are its own, and have plain names.
    add, cumsum = {"host": ("1 aten::add", "2 aten::cumsum"), "sycl": ("1 add", "1 cumsum")}[ENGINE]
    assert f"route {add}\n" in output
    assert f"route {cumsum}\n" in output
