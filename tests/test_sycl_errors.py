"""What a user does wrong, and what is missing, on the SYCL engine: each a clear Python error, or a
slower way with a warning, and the device goes on. Run with XPU_LITE_DEVICES naming a SYCL device, as
opencl:cpu."""

import pytest
import torch
import torch.nn.functional as F

import process
from engine import KIND, sycl_only

pytestmark = sycl_only()
D = "xpu_lite"


@pytest.fixture(autouse=True)
def usable_afterwards():
    yield
    torch.xpu_lite.synchronize()
    assert (torch.ones(3, device=D) + 1).tolist() == [2.0] * 3


def far(*size):
    return torch.randn(*size, device=D)


MIXED = {
    "add": lambda: far(4) + torch.randn(4),
    "matmul": lambda: far(4, 4) @ torch.randn(4, 4),
    "linear": lambda: F.linear(far(2, 4), torch.randn(3, 4)),
    "conv weight": lambda: F.conv2d(far(1, 3, 8, 8), torch.randn(4, 3, 3, 3)),
    "conv bias": lambda: F.conv2d(far(1, 3, 8, 8), far(4, 3, 3, 3), torch.randn(4)),
    "layer_norm": lambda: F.layer_norm(far(4, 5), (5,), torch.ones(5), torch.ones(5)),
    "group_norm": lambda: F.group_norm(far(2, 4, 3), 2, torch.ones(4)),
    "batch_norm": lambda: F.batch_norm(far(4, 5), torch.zeros(5), torch.ones(5)),
    "rms_norm": lambda: F.rms_norm(far(4, 5), (5,), torch.ones(5)),
    "cat": lambda: torch.cat([far(2), torch.randn(2)]),
    "where": lambda: torch.where(far(4) > 0, far(4), torch.randn(4)),
    "embedding": lambda: F.embedding(torch.tensor([1]), far(4, 3)),
    "embedding_bag": lambda: F.embedding_bag(torch.tensor([[1]]), far(4, 3)),
    "index_select": lambda: far(4, 3).index_select(0, torch.tensor([1])),
    "take": lambda: far(4).take(torch.tensor([1])),
    "cross_entropy": lambda: F.cross_entropy(far(2, 3), torch.tensor([0, 1])),
    "nll_loss2d": lambda: F.nll_loss(far(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long)),
    "binary_cross_entropy": lambda: F.binary_cross_entropy(far(3).sigmoid(), torch.ones(3)),
    "attention": lambda: F.scaled_dot_product_attention(far(1, 1, 2, 4), torch.randn(1, 1, 2, 4),
                                                        far(1, 1, 2, 4)),
    "cdist": lambda: torch.cdist(far(3, 2), torch.randn(3, 2)),
    "grid_sample": lambda: F.grid_sample(far(1, 1, 4, 4), torch.zeros(1, 2, 2, 2),
                                         align_corners=False),
    "dot": lambda: torch.dot(far(3), torch.randn(3)),
    "histc out": lambda: torch.histc(far(3), 4, out=torch.empty(4)),
}


@pytest.mark.parametrize("case", MIXED)
def test_tensors_on_two_devices(case):
    with pytest.raises(RuntimeError, match="(?i)device") as caught:
        MIXED[case]()
    assert "cpu" in str(caught.value) and D in str(caught.value)


def index(*values):
    return torch.tensor(values, device=D)


# Operator as the error names it, the call, and the values that the error has.
OUTSIDE = [
    ("index", lambda t: t[index(7)], "7", "size 4"),
    ("index_select", lambda t: t.index_select(0, index(-1)), "-1", "size 4"),
    ("gather", lambda t: t.gather(0, index(9).expand(1, 5)), "9", "size 4"),
    ("scatter", lambda t: t.scatter_(0, index(9).expand(1, 5), t.clone()), "9", "size 4"),
    ("scatter_add", lambda t: t.scatter_add_(1, index(5).expand(4, 1), t.clone()), "5", "size 5"),
    ("index_add", lambda t: t.index_add_(0, index(4), t[:1].clone()), "4", "size 4"),
    ("index_copy_", lambda t: t.index_copy_(0, index(2**40), t[:1].clone()), str(2**40), "size 4"),
    ("index_fill_", lambda t: t.index_fill_(0, index(-9), 1), "-9", "size 4"),
    ("index_put_", lambda t: t.index_put_((index(4),), t[0].clone()), "4", "size 4"),
    ("index_put_", lambda t: t.index_put_((index(4),), t[0].clone(), True), "4", "size 4"),
    ("take", lambda t: t.take(index(20)), "20", "size 20"),
    ("put_", lambda t: t.put_(index(-21), torch.ones(1, device=D)), "-21", "size 20"),
    ("embedding", lambda t: F.embedding(index(4), t), "4", "size 4"),
    ("embedding", lambda t: F.embedding(index(-1), t), "-1", "size 4"),
    ("embedding_bag", lambda t: F.embedding_bag(index(4)[None], t), "4", "size 4"),
    ("nll_loss", lambda t: F.cross_entropy(t, index(0, 1, 2, 5)), "5", "less than 5"),
]


@pytest.mark.parametrize("op, call, value, size", OUTSIDE, ids=[
    f"{case[0]}-{number}" for number, case in enumerate(OUTSIDE)])
def test_an_index_out_of_range(op, call, value, size):
    """Named with its values at the latest by the next synchronisation; nothing else is written."""
    around = torch.full((64, 5), 3.0, device=D)
    middle = around[30:34]
    with pytest.raises((IndexError, RuntimeError)) as caught:
        call(middle)
        torch.xpu_lite.synchronize()
    said = str(caught.value)
    assert f"[{op}]" in said and f" {value} " in said and size in said, said
    assert around[:30].eq(3).all() and around[34:].eq(3).all()


def test_an_index_out_of_range_on_a_side_stream():
    side, table = torch.xpu_lite.Stream(), far(4, 5)
    side.wait_stream(torch.xpu_lite.current_stream())
    with pytest.raises(IndexError, match=r"\[index_select\] index 11 is out of bounds"):
        with torch.xpu_lite.stream(side):
            table.index_select(0, index(11))
        side.synchronize()
    side.synchronize()  # told once


@pytest.mark.parametrize("case, call", [
    ("cannot be multiplied", lambda: far(4, 5) @ far(4, 5)),
    ("must match the size", lambda: far(4, 5) + far(3)),
    ("dtype", lambda: far(4, 4) @ far(4, 4).double()),
    ("channels", lambda: F.conv2d(far(1, 3, 8, 8), far(4, 2, 3, 3))),
    ("scalar type", lambda: F.conv2d(far(1, 3, 8, 8).double(), far(4, 3, 3, 3))),
    ("normalized_shape", lambda: F.layer_norm(far(4, 5), (4,))),
    ("indices", lambda: F.embedding(torch.ones(2, device=D), far(4, 5))),
    ("not implemented for 'Long'", lambda: torch.softmax(torch.ones(3, device=D).long(), 0)),
    ("can't be cast", lambda: torch.add(far(4), far(4), out=torch.empty(4, device=D).long())),
    ("between 0 and 1", lambda: F.binary_cross_entropy(far(3) * 9 + 30, torch.ones(3, device=D))),
    ("out of range", lambda: far(4, 5).topk(9)),
])
def test_wrong_shapes_and_types(case, call):
    with pytest.raises(RuntimeError, match=case):
        call()
        torch.xpu_lite.synchronize()


def test_without_onednn():
    """Products and convolutions still run, on kernels that need no package; said once."""
    process.check("""
import warnings, torch, torch.nn.functional as F

def compare(function, *inputs, tolerance):
    there = [t.detach().to("xpu_lite").requires_grad_() for t in inputs]
    inputs = [t.requires_grad_() for t in inputs]
    expected, found = function(*inputs), function(*there)
    torch.testing.assert_close(found.cpu(), expected, rtol=tolerance, atol=tolerance)
    expected.float().sum().backward(), found.float().sum().backward()
    for here, other in zip(inputs, there):
        torch.testing.assert_close(other.grad.cpu(), here.grad, rtol=tolerance, atol=tolerance)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 6e-2)):
        def some(*size):
            return torch.randn(*size).to(dtype)
        compare(torch.matmul, some(2, 7, 17), some(17, 9), tolerance=tolerance)
        compare(F.linear, some(5, 17), some(9, 17), some(9), tolerance=tolerance)
        compare(lambda x, w, b: F.conv2d(x, w, b, padding=1, stride=2), some(2, 4, 9, 9),
                some(6, 4, 3, 3), some(6), tolerance=tolerance)
        compare(lambda x, w: F.conv_transpose2d(x, w, stride=2), some(1, 3, 5, 5), some(3, 4, 3, 3),
                tolerance=tolerance)
said = [str(w.message) for w in caught if "oneDNN" in str(w.message)]
assert len(said) == 1 and "slower kernels" in said[0] and "pip install onednn" in said[0], said
assert not torch.xpu_lite.fallbacks(), torch.xpu_lite.fallbacks()
""", XPU_LITE_DEVICES=KIND, XPU_LITE_WITHOUT="onednn")


def test_info_says_which_package_is_missing():
    printed = process.check("""
import importlib.metadata as metadata
real = metadata.version
def version(name):
    if name == "onednn":
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
from torch_xpu_lite import _info
assert _info.run() == 0
""", XPU_LITE_DEVICES=KIND)
    (line,) = [line for line in printed.splitlines() if line.split()[:1] == ["onednn"]]
    assert "missing" in line and "pip install 'torch-xpu-lite[xpu]'" in line


def test_a_device_without_float64_prints_and_trains_with_a_loss_scale():
    """Where PyTorch itself goes through float64, unasked."""
    process.check("""
import torch
assert not torch.xpu_lite.get_device_properties(0).has_fp64
x = torch.tensor([0.5, 1e-4, 1e5], device="xpu_lite")
assert repr(x) == repr(x.cpu())[:-1] + ", device='xpu_lite:0')", repr(x)
for fused in (False, True):
    layer = torch.nn.Linear(3, 2).to("xpu_lite")
    plain = torch.nn.Linear(3, 2)
    plain.load_state_dict({k: v.cpu() for k, v in layer.state_dict().items()})
    for module, at in ((layer, "xpu_lite"), (plain, "cpu")):
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, fused=fused)
        scaler = torch.amp.GradScaler(at, init_scale=1024.0)
        for unscale in (True, False):
            scaler.scale(module(torch.ones(4, 3, device=at)).square().sum()).backward()
            if unscale:
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    torch.testing.assert_close(layer.weight.cpu(), plain.weight, rtol=1e-4, atol=1e-5)
""", XPU_LITE_DEVICES=KIND, XPU_LITE_WITHOUT="fp64")
