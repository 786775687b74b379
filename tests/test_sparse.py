"""Sparse COO and compressed tensors (and nested ones) of the device against the CPU."""

import pytest
import torch
from engine import several

DEVICE = "xpu_lite"
LAYOUTS = {
    torch.sparse_csr: {}, torch.sparse_csc: {},
    torch.sparse_bsr: {"blocksize": (2, 2)}, torch.sparse_bsc: {"blocksize": (2, 2)},
}


@pytest.fixture
def dense():
    torch.manual_seed(0)
    x = torch.randn(4, 6)
    return x * (torch.rand(4, 6) < 0.5)


def coo(dense):
    return dense.to_sparse()


def same(device_result, cpu_result, **kw):
    """Equal, of one layout, and every part on the device."""
    if not isinstance(cpu_result, torch.Tensor):
        assert device_result == cpu_result
        return
    assert device_result.device.type == DEVICE
    assert device_result.layout == cpu_result.layout
    assert device_result.dtype == cpu_result.dtype and device_result.shape == cpu_result.shape
    if cpu_result.layout == torch.sparse_coo:
        assert device_result.is_coalesced() == cpu_result.is_coalesced()
        assert device_result._indices().device.type == DEVICE
        assert device_result._values().device.type == DEVICE
    torch.testing.assert_close(device_result.cpu(), cpu_result, **kw)


def both(fn, *tensors, **kw):
    same(fn(*(t.to(DEVICE) for t in tensors)), fn(*tensors), **kw)


def test_construct_and_read_back():
    indices, values = torch.tensor([[0, 1, 1], [2, 0, 2]]), torch.tensor([3.0, 4.0, 5.0])
    here = torch.sparse_coo_tensor(indices, values, (2, 4))
    there = torch.sparse_coo_tensor(indices.to(DEVICE), values.to(DEVICE), (2, 4))
    moved = torch.sparse_coo_tensor(indices, values, (2, 4), device=DEVICE)
    for t in (there, moved, here.to(DEVICE)):
        assert t.device.type == DEVICE and t._nnz() == 3 and t.sparse_dim() == 2
        same(t, here)
    assert "xpu_lite" in repr(there) and "nnz=3" in repr(there)


def test_values_share_memory():
    values = torch.ones(2, device=DEVICE)
    t = torch.sparse_coo_tensor(torch.tensor([[0, 1], [1, 0]], device=DEVICE), values, (2, 2))
    t._values().mul_(5)
    assert t.to_dense().sum().item() == 10


def test_round_trips(dense):
    for convert in (lambda x: x.to_sparse(), lambda x: x.to_sparse(1)):
        both(convert, dense)
        both(lambda x: convert(x).to_dense(), dense)
    for layout, options in LAYOUTS.items():
        both(lambda x: x.to_sparse(layout=layout, **options), dense)
        both(lambda x: x.to_sparse(layout=layout, **options).to_dense(), dense)
    both(lambda x: x.to_sparse().to_sparse_csr(), dense)
    both(lambda x: x.to_sparse_csr().to_sparse_coo(), dense)


UNARY = {
    "coalesce": lambda s: s.coalesce(),
    "neg": torch.neg, "abs": torch.abs, "sqrt": lambda s: torch.sqrt(s * s), "sin": torch.sin,
    "mul_scalar": lambda s: s * 3, "div_scalar": lambda s: s / 2, "clone": torch.clone,
    "sum": torch.sum, "sum_dim": lambda s: torch.sparse.sum(s, 1), "t": lambda s: s.t(),
    "transpose": lambda s: s.transpose(0, 1), "permute": lambda s: s.permute(1, 0),
    "add": lambda s: s + s, "sub": lambda s: s - s * 2, "mul": lambda s: s * s,
    "softmax": lambda s: torch.sparse.softmax(s, 1), "half": lambda s: s.to(torch.bfloat16),
    "double": lambda s: s.double(), "unsqueeze": lambda s: s.unsqueeze(0),
    "index_select": lambda s: s.index_select(1, torch.tensor([0, 2], device=s.device)),
    "cat": lambda s: torch.cat([s, s]), "zeros_like": torch.zeros_like,
    "narrow_copy": lambda s: s.narrow_copy(0, 1, 2), "isnan": torch.isnan,
    "pow": lambda s: s.pow(2), "norm": lambda s: s.norm(), "select": lambda s: s[1],
    "any": lambda s: torch.zeros_like(s)._nnz(), "size": lambda s: tuple(s.size()),
}


@pytest.mark.parametrize("name", UNARY)
def test_coo_operator(name, dense):
    both(UNARY[name], coo(dense))


BINARY = {
    "mm": lambda s, d: torch.mm(s, d), "spmm": lambda s, d: torch.sparse.mm(s, d),
    "matmul": lambda s, d: s @ d, "addmm": lambda s, d: torch.addmm(d[:4, :4], s, d),
    "mv": lambda s, d: s @ d[:, 0], "hspmm": lambda s, d: torch.hspmm(s, d),
    "dense_plus_sparse": lambda s, d: d[:4, :6].contiguous() + s if d.shape[1] >= 6 else d,
    "spspmm": lambda s, d: s @ s.t(), "dense_mul": lambda s, d: s * d[:4, :1].expand(4, 6).clone(),
    "mask": lambda s, d: torch.ones(4, 6, device=s.device).sparse_mask(s.coalesce()),
}


@pytest.mark.parametrize("name", BINARY)
def test_coo_with_dense(name, dense):
    torch.manual_seed(1)
    both(BINARY[name], coo(dense), torch.randn(6, 4))


def test_in_place_and_out(dense):
    def in_place(s):
        s = s.clone()
        s.mul_(2).add_(s, alpha=0.5).neg_()
        return s

    both(in_place, coo(dense))
    both(lambda s: s.clone().zero_(), coo(dense))

    def into_dense(s):
        d = torch.ones(4, 6, device=s.device)
        d.add_(s)
        return d

    both(into_dense, coo(dense))

    def out(s):
        result = torch.empty(0, device=s.device, layout=torch.sparse_coo)
        torch.add(s, s, out=result)
        return result

    def dense_out(s):
        result = torch.empty(4, 4, device=s.device)
        torch.mm(s, torch.ones(6, 4, device=s.device), out=result)
        return result

    both(dense_out, coo(dense))
    for s in (coo(dense),):
        try:
            out(s)
        except RuntimeError as error:
            with pytest.raises(type(error)):
                out(s.to(DEVICE))
        else:
            both(out, s)


CSR = {
    "neg": torch.neg, "sin": torch.sin, "mul_scalar": lambda c: c * 2.0, "clone": torch.clone,
    "abs": torch.abs, "sum": torch.sum, "t": lambda c: c.t(), "to_csc": lambda c: c.to_sparse_csc(),
    "values": lambda c: c.values(), "crow": lambda c: c.crow_indices(),
    "col": lambda c: c.col_indices(), "mm": lambda c: c @ torch.ones(6, 2, device=c.device),
    "mv": lambda c: c @ torch.ones(6, device=c.device), "add": lambda c: c + c,
    "addmm": lambda c: torch.addmm(torch.ones(4, 2, device=c.device), c,
                                   torch.ones(6, 2, device=c.device)),
    "nnz": lambda c: c._nnz(), "double": lambda c: c.double(), "relu": torch.relu,
    "zeros_like": torch.zeros_like, "select": lambda c: c[1, 2],
}


@pytest.mark.parametrize("name", CSR)
def test_csr_operator(name, dense):
    both(CSR[name], dense.to_sparse_csr())


def test_compressed_constructors():
    crow, col, values = torch.tensor([0, 1, 2]), torch.tensor([1, 0]), torch.tensor([2.0, 3.0])
    here = torch.sparse_csr_tensor(crow, col, values, (2, 2))
    same(torch.sparse_csr_tensor(crow.to(DEVICE), col.to(DEVICE), values.to(DEVICE), (2, 2)), here)
    same(torch.sparse_csr_tensor(crow, col, values, (2, 2), device=DEVICE), here)
    same(here.to(DEVICE), here)
    assert "xpu_lite" in repr(here.to(DEVICE))


def test_gradients(dense):
    torch.manual_seed(2)
    other = torch.randn(6, 3)

    def grads(device):
        leaf = coo(dense).to(device).requires_grad_()
        right = other.to(device).requires_grad_()
        torch.sparse.mm(leaf, right).pow(2).sum().backward()
        return leaf.grad, right.grad

    for d, c in zip(grads(DEVICE), grads("cpu")):
        assert d.layout == c.layout and d.device.type == DEVICE
        torch.testing.assert_close(d.to_dense().cpu(), c.to_dense())


def test_sparse_embedding_gradient_trains():
    def run(device):
        torch.manual_seed(3)
        table = torch.nn.Embedding(10, 4, sparse=True).to(device)
        optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            table(torch.tensor([1, 2, 2, 7], device=device)).pow(2).sum().backward()
            assert table.weight.grad.is_sparse and table.weight.grad.device.type == device
            optimizer.step()
        return table.weight.detach().cpu()

    torch.testing.assert_close(run(DEVICE), run("cpu"))


def test_sgd_with_sparse_gradient():
    def run(device):
        torch.manual_seed(3)
        bag = torch.nn.EmbeddingBag(10, 4, mode="sum", sparse=True).to(device)
        optimizer = torch.optim.SGD(bag.parameters(), lr=0.1)
        bag(torch.tensor([[1, 2], [2, 7]], device=device)).pow(2).sum().backward()
        optimizer.step()
        return bag.weight.detach().cpu()

    torch.testing.assert_close(run(DEVICE), run("cpu"))


def test_errors_are_the_cpus(dense):
    for bad in (lambda d: torch.sparse_coo_tensor([[5]], [1.0], (2,), device=d, check_invariants=True),
                lambda d: coo(dense).to(d) @ torch.ones(3, 3, device=d),
                lambda d: coo(dense).to(d).view(6, 4)):
        with pytest.raises(Exception) as here:
            bad("cpu")
        with pytest.raises(type(here.value)):
            bad(DEVICE)
    with pytest.raises(RuntimeError, match="same device"):
        coo(dense).to(DEVICE) @ torch.ones(6, 2)
    assert torch.ones(1, device=DEVICE).item() == 1


def test_fallbacks_are_counted(dense):
    s = coo(dense).to(DEVICE)
    torch.xpu_lite.reset_fallbacks()
    torch.sin(s)
    assert any("sin" in name for name in torch.xpu_lite.fallbacks())


def test_result_on_the_cpu_is_cpu_memory(dense):
    s = coo(dense).to(DEVICE)
    before = torch.xpu_lite.memory_allocated()
    kept = s.cpu()
    csr = s.to_sparse_csr().cpu()
    assert torch.xpu_lite.memory_allocated() == before
    assert kept.device.type == csr.device.type == "cpu"


def test_side_stream(dense):
    s = coo(dense).to(DEVICE)
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        right = torch.ones(6, 3, device=DEVICE) * 2
        result = s @ right
    stream.synchronize()
    torch.testing.assert_close(result.cpu(), coo(dense) @ (torch.ones(6, 3) * 2))


def test_save_and_load(tmp_path, dense):
    path = tmp_path / "s.pt"
    torch.save({"coo": coo(dense).to(DEVICE), "csr": dense.to_sparse_csr().to(DEVICE)}, path)
    loaded = torch.load(path)
    same(loaded["coo"], coo(dense))
    same(loaded["csr"], dense.to_sparse_csr())


def test_nested_tensors():
    parts = [torch.arange(6.0).view(2, 3), torch.ones(4, 3)]

    def make(device):
        return torch.nested.nested_tensor([p.to(device) for p in parts], device=device)

    for fn in (lambda n: n * 2, lambda n: torch.relu(n - 1), lambda n: n.clone(),
               lambda n: torch.nn.functional.linear(n, torch.ones(5, 3, device=n.device)),
               lambda n: n + n):
        here, there = fn(make("cpu")), fn(make(DEVICE))
        assert there.is_nested and there.device.type == DEVICE
        for a, b in zip(there.unbind(), here.unbind()):
            assert a.device.type == DEVICE
            torch.testing.assert_close(a.cpu(), b)
    padded = torch.nested.to_padded_tensor(make(DEVICE), 0.0)
    torch.testing.assert_close(padded.cpu(), torch.nested.to_padded_tensor(make("cpu"), 0.0))


def test_second_device():
    import os
    import subprocess
    import sys

    program = """
import torch
s = torch.eye(3).to_sparse().to("xpu_lite:1")
q = torch.quantize_per_tensor(torch.ones(3, device="xpu_lite:1"), .1, 0, torch.quint8)
made = [s, s + s, (s + s)._values(), s @ torch.ones(3, 2, device="xpu_lite:1"), s.clone(),
        s.to_sparse_csr(), q, q.dequantize(), torch.empty_like(q)]
print({str(t.device) for t in made}, s.to("xpu_lite:0")._indices().device)
try:
    s + s.to("xpu_lite:0")
except RuntimeError as error:
    print("same device" in str(error))
"""
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True,
                         text=True, env={**os.environ, "XPU_LITE_DEVICES": several(2)}, check=True)
    assert out.stdout.splitlines() == ["{'xpu_lite:1'} xpu_lite:0", "True"]


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "amin"])
def test_reduced_product_backward(reduce):
    gradients = []
    for where in ("cpu", "xpu_lite"):
        x = torch.eye(3).to_sparse_csr().to(where).requires_grad_()
        y = torch.arange(12.0).view(3, 4).to(where).requires_grad_()
        torch.sparse.mm(x, y, reduce).sum().backward()
        gradients.append((x.grad.values().cpu(), y.grad.cpu()))
    torch.testing.assert_close(gradients[1], gradients[0])
