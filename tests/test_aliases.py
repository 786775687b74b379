"""The CPU aliases that kernels work on: resized, replaced, kept and shared storages.

Some kernels here are written in Python for the CPU key, so that they can do what few kernels of
torch do.
"""

import pytest
import torch
from outcome import observe, same_error

library = torch.library.Library("xl_alias_test", "DEF")
ops = torch.ops.xl_alias_test
kept = {}


def kernel(schema):
    """Registers a Python function as the CPU kernel of an operator of these tests."""

    def register(function):
        library.define(function.__name__ + schema)
        library.impl(function.__name__, function, "CPU")
        return function

    return register


@kernel("(Tensor x) -> Tensor")
def cached(x):
    if "one" not in kept:
        kept["one"] = torch.arange(3.0)
    return kept["one"]


@kernel("(Tensor x) -> Tensor[]")
def cached_list(x):
    if "list" not in kept:
        kept["list"] = [torch.arange(3.0), torch.ones(2)]
    return kept["list"]


@kernel("(Tensor(a!) x) -> ()")
def replace_storage(x):
    x.set_(torch.arange(50.0))


@kernel("(Tensor(a!) x, Tensor y) -> ()")
def replace_by_argument(x, y):
    x.set_(y)


@kernel("(Tensor(a!) x) -> ()")
def keep_and_fail(x):
    kept["failed"] = x
    x.resize_(1000).fill_(5)
    raise ValueError("on purpose")


@kernel("(Tensor(a!) x) -> ()")
def keep_and_grow(x):
    kept["grown"] = x
    x.resize_(100).fill_(5)


def test_result_that_the_kernel_keeps_stays_on_the_cpu(device):
    x = torch.zeros(2, device=device)
    for _ in range(2):
        assert ops.cached(x).device.type == device
        assert kept["one"].device.type == "cpu"
        assert [t.device.type for t in ops.cached_list(x)] == [device, device]
        assert [t.device.type for t in kept["list"]] == ["cpu", "cpu"]
    ops.cached(x).add_(1)
    assert kept["one"].tolist() == [0, 1, 2]


def test_kernel_that_replaces_the_storage(device):
    x = torch.zeros(3, device=device)
    ops.replace_storage(x)
    assert x.untyped_storage().nbytes() == 200 and x.untyped_storage().device.type == device
    assert x.tolist() == list(range(50))
    y = torch.ones(7, device=device)
    ops.replace_by_argument(x, y)
    y.add_(1)
    assert x.tolist() == [2.0] * 7


def test_alias_kept_by_a_kernel_that_fails(device):
    x = torch.zeros(3, device=device)
    with pytest.raises(ValueError, match="on purpose"):
        ops.keep_and_fail(x)
    assert x.tolist() == [0, 0, 0]
    assert kept["failed"].sum() == 5000 and x.numel() * 4 <= x.untyped_storage().nbytes()


def test_alias_kept_by_a_kernel_that_resizes(device):
    x = torch.zeros(3, device=device)
    ops.keep_and_grow(x)
    x.add_(1)
    assert x.sum() == 600 and kept["grown"].sum() == 600


def grow_matrix_product(where):
    x = torch.arange(8.0, device=where)
    out = x[4:]  # behind what is read: results over their own inputs are any engine's choice
    with pytest.warns(UserWarning, match="resized"):
        torch.mm(x[:4].view(2, 2)[:, :1], torch.ones(1, 8, device=where), out=out)
    return x.tolist(), out.tolist(), x.untyped_storage().nbytes()


def test_out_that_shares_its_storage_with_an_input_grows(device):
    assert grow_matrix_product(device) == grow_matrix_product("cpu")


@pytest.mark.parametrize("write", [
    lambda t: torch.exp(t, out=t),
    lambda t: torch.exp(t[:3], out=t[3:]),
    lambda t: t.exp_(),
    lambda t: torch.add(t, 1, out=t),
], ids=["out is the input", "out beside the input", "in place", "fast path"])
def test_copy_on_write_is_copied_before_it_is_written(device, write):
    original = torch.arange(6.0, device=device)
    copy = torch._lazy_clone(original)
    expected = torch.arange(6.0)
    write(copy)
    write(expected)
    assert original.tolist() == list(range(6))
    torch.testing.assert_close(copy.cpu(), expected)


OVERLAPS = {
    "copy_": lambda x: x[1:].copy_(x[:-1]),
    "add_": lambda x: x[1:].add_(x[:-1]),
    "exp out": lambda x: torch.exp(x[:-1], out=x[1:]),
    "expanded copy_": lambda x: x[:1].expand(3).copy_(x[:3]),
    "expanded exp_": lambda x: x[:1].expand(3).exp_(),
    "shape": lambda x: x[:3].copy_(x[:2]),
}


@pytest.mark.parametrize("side_stream", [False, True])
@pytest.mark.parametrize("size", [6, 300_000])
@pytest.mark.parametrize("name", OVERLAPS)
def test_overlap_is_the_cpus_error_at_once(device, name, size, side_stream):
    call = OVERLAPS[name]
    expected = observe(lambda: call(torch.arange(float(size))))
    stream = torch.xpu_lite.Stream() if side_stream else torch.xpu_lite.current_stream()
    with torch.xpu_lite.stream(stream):
        x = torch.arange(float(size), device=device)
        actual = observe(lambda: call(x))
        stream.synchronize()
    assert expected.error is not None
    same_error(expected, actual)


def test_default_dtype_changes_between_queued_calls(device):
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        x = torch.arange(3, device=device)
        assert torch.sqrt(x).dtype == torch.float32
        torch.set_default_dtype(torch.float64)
        try:
            assert torch.sqrt(x).dtype == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)


def test_boolean_index_on_a_side_stream(device):
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        x = torch.arange(5.0, device=device)
        assert x[x > 2].tolist() == [3, 4]


def test_set_to_memory_of_another_device_is_an_error(device):
    here, there = torch.ones(2, device=device), torch.ones(2)
    for self, source in ((here, there), (there, here)):
        with pytest.raises(RuntimeError, match="different device"):
            self.set_(source)


def test_queued_out_of_another_shape_warns_once(device):
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        x = torch.zeros(3, device=device)
        outcome = observe(lambda: torch.clamp(x, 1, 2, out=torch.empty(5, device=device)))
        assert outcome.value.tolist() == [1, 1, 1]
    assert len([text for text in outcome.warnings if "resized" in text]) == 1


def test_queued_addr_is_the_cpu_kernel(device):
    torch.manual_seed(0)
    parts = [torch.randn(shape).bfloat16() for shape in ((5, 10), (5,), (10,))]
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        assert torch.equal(torch.addr(*[p.to(device) for p in parts]).cpu(), torch.addr(*parts))
