"""A user's own SYCL kernels from Python. Run with XPU_LITE_DEVICES naming a SYCL
device, as opencl:cpu; the last tests run on any engine."""

import ctypes

import pytest
import torch

from engine import sycl_only
from torch_xpu_lite import _sycl_signature, sycl

needs_sycl = sycl_only()

HEAD = """#include <sycl/sycl.hpp>
#include <cstdint>
namespace syclex = sycl::ext::oneapi::experimental;
namespace item = sycl::ext::oneapi::this_work_item;
#define INDEX item::get_nd_item<1>().get_global_linear_id()
"""

SOURCE = HEAD + """
struct Pair { float first; int second; };

extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::nd_range_kernel<1>))
void axpy(float a, const float* x, float* y) { y[INDEX] += a * x[INDEX]; }

SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::nd_range_kernel<2>))
void number(int64_t* out, int64_t width) {
  auto it = item::get_nd_item<2>();
  out[it.get_global_id(0) * width + it.get_global_id(1)] = it.get_global_linear_id();
}

namespace mine {
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::nd_range_kernel<1>))
void groups(int* out) { out[INDEX] = item::get_nd_item<1>().get_local_range(0); }
}

SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::nd_range_kernel<1>))
void types(double* out, bool b, int8_t c, unsigned short s, unsigned u, long l, double d, Pair p) {
  if (INDEX == 0) {
    out[0] = b; out[1] = c; out[2] = s; out[3] = u; out[4] = l; out[5] = d;
    out[6] = p.first; out[7] = p.second;
  }
}

SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::single_task_kernel))
void once(float* x, const float* maybe) { x[0] = maybe ? 1 : 2; }
"""


@pytest.fixture(scope="module")
def axpy():
    return sycl.kernel(SOURCE, name="axpy")


@needs_sycl
def test_a_kernel_on_tensors(axpy, device):
    x, y = torch.randn(1000), torch.randn(1000)
    there = y.to(device)
    axpy(2.5, x.to(device), there, grid=1000)
    torch.testing.assert_close(there.cpu(), y + 2.5 * x)
    axpy(-1, x.to(device), there, grid=512, group=64)
    expected = y + 2.5 * x
    expected[:512] -= x[:512]
    torch.testing.assert_close(there.cpu(), expected)
    axpy(1.0, x.to(device), there, grid=0)
    torch.testing.assert_close(there.cpu(), expected)


@needs_sycl
def test_the_only_kernel_needs_no_name(device):
    y = torch.zeros(8, device=device)
    sycl.kernel(HEAD + """
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::nd_range_kernel<1>))
void fill(float* y) { y[INDEX] = VALUE; }""", options=["-DVALUE=3", "-O3"])(y, grid=8)
    assert y.tolist() == [3.0] * 8


@needs_sycl
def test_two_dimensions_namespaces_and_groups(device):
    out = torch.zeros(6, 8, dtype=torch.int64, device=device)
    sycl.kernel(SOURCE, name="number")(out, 8, grid=(6, 8), group=(2, 4))
    assert torch.equal(out.cpu(), torch.arange(48).view(6, 8))
    sizes = torch.zeros(96, dtype=torch.int32, device=device)
    groups = sycl.kernel(SOURCE, name="mine::groups")
    groups(sizes, grid=96, group=32)
    assert sizes.tolist() == [32] * 96
    groups(sizes, grid=97 - 1)
    assert sizes.tolist() == [96] * 96


@needs_sycl
def test_numbers_arrive_as_what_the_source_declares(device):
    class Pair(ctypes.Structure):
        _fields_ = [("first", ctypes.c_float), ("second", ctypes.c_int)]

    out = torch.zeros(8, dtype=torch.float64, device=device)
    types = sycl.kernel(SOURCE, name="types")
    types(out, True, -5, 65535, 4000000000, -(2**40), 0.1, Pair(1.5, -7), grid=1)
    assert out.tolist() == [1, -5, 65535, 4000000000, -(2**40), 0.1, 1.5, -7]
    for index, value in [(2, 128), (3, -1), (4, 2**32), (5, 2**63)]:
        arguments = [out, True, 0, 0, 0, 0, 0.0, Pair()]
        arguments[index] = value
        with pytest.raises((ValueError, OverflowError), match="fit|large"):
            types(*arguments, grid=1)
    with pytest.raises(TypeError, match="argument 2.*int8_t c.*integer"):
        types(out, True, 1.5, 0, 0, 0, 0.0, Pair(), grid=1)
    with pytest.raises(TypeError, match="argument 7.*ctypes"):
        types(out, True, 1, 0, 0, 0, 0.0, 5, grid=1)


@needs_sycl
def test_a_kernel_without_a_range(device):
    x = torch.zeros(1, device=device)
    once = sycl.kernel(SOURCE, name="once")
    once(x, x)
    assert x.item() == 1
    once(x, None)
    assert x.item() == 2
    with pytest.raises(ValueError, match="grid"):
        once(x, x, grid=4)


@needs_sycl
def test_it_runs_in_the_order_of_the_current_stream(axpy, device):
    side = torch.xpu_lite.Stream()
    x, y = torch.ones(1 << 20, device=device), torch.zeros(1 << 20, device=device)
    side.wait_stream(torch.xpu_lite.current_stream())
    with torch.xpu_lite.stream(side):
        for _ in range(20):
            axpy(1.0, x, y, grid=1 << 20)
            y.mul_(2)
    torch.xpu_lite.current_stream().wait_stream(side)
    expected = 0.0
    for _ in range(20):
        expected = (expected + 1) * 2
    assert (y == expected).all().item()


@needs_sycl
def test_compile_errors_are_the_compilers(device):
    source = HEAD + """
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((syclex::nd_range_kernel<1>))
void wrong(float* y) { y[INDEX] = nothing_of_that_name; }"""
    with pytest.raises(sycl.CompileError) as caught:
        sycl.kernel(source)
    text = str(caught.value)
    line = source[: source.index("nothing_of_that_name")].count("\n") + 1
    assert "use of undeclared identifier 'nothing_of_that_name'" in text
    assert f":{line}:" in text and "void wrong(float* y)" in text and "^" in text
    with pytest.raises(sycl.CompileError, match="-fno-such-option|unknown argument|option"):
        sycl.kernel(SOURCE, name="axpy", options=["-fno-such-option-at-all"])
    with pytest.raises(RuntimeError, match="nowhere"):
        sycl.kernel(SOURCE, name="nowhere")
    with pytest.raises(ValueError, match="axpy"):
        sycl.kernel(SOURCE)


@needs_sycl
def test_wrong_calls(axpy, device):
    x = torch.ones(64, device=device)
    with pytest.raises(TypeError, match="takes 3 arguments, 2"):
        axpy(1.0, x, grid=64)
    with pytest.raises(ValueError, match="argument 1.*cpu"):
        axpy(1.0, torch.ones(64), x, grid=64)
    with pytest.raises(TypeError, match="argument 0.*number.*tensor"):
        axpy(x, x, x, grid=64)
    with pytest.raises(TypeError, match="argument 1.*tensor.*float"):
        axpy(1.0, 2.0, x, grid=64)
    with pytest.raises(ValueError, match="multiple"):
        axpy(1.0, x, x, grid=64, group=48)
    with pytest.raises(ValueError, match="1048576"):
        axpy(1.0, x, x, grid=1 << 20, group=1 << 20)
    with pytest.raises(ValueError, match="dimensions"):
        axpy(1.0, x, x, grid=(8, 8))
    for grid in (None, -1, 1.5, "64", (), (1, 1, 1, 1)):
        with pytest.raises((ValueError, TypeError)):
            axpy(1.0, x, x, grid=grid)
    with pytest.raises(ValueError, match="sparse"):
        axpy(1.0, torch.eye(4).to_sparse().to(device), x, grid=64)
    with pytest.raises(TypeError, match="options"):
        sycl.kernel(SOURCE, name="axpy", options="-O3")
    assert x.tolist() == [1.0] * 64


@needs_sycl
def test_the_same_source_is_compiled_once(axpy):
    before = len(sycl._handles)
    again = sycl.kernel(SOURCE, name="axpy")
    assert again is not axpy and len(sycl._handles) == before


@needs_sycl
def test_it_is_seen_by_the_memory_guard(device):
    import process

    process.check(f"""
import torch
from torch_xpu_lite import sycl
y = torch.zeros(8, device="xpu_lite")
sycl.kernel('''{SOURCE}''', name="axpy")(2.0, y + 1, y, grid=8)
assert y.tolist() == [2.0] * 8
""", XPU_LITE_GUARD="1")


@pytest.mark.skipif(not needs_sycl.args[0], reason="the SYCL engine is in use")
def test_the_host_engine_has_no_such_kernels():
    with pytest.raises(RuntimeError, match="XPU_LITE_DEVICES=level_zero:gpu"):
        sycl.kernel(SOURCE, name="axpy")


def test_signatures():
    found = _sycl_signature.read(SOURCE)
    assert set(found) == {"axpy", "number", "groups", "types", "once"}
    assert [found[n].dims for n in ("axpy", "number", "once")] == [1, 2, 0]
    assert [p.pointer for p in found["axpy"].parameters] == [False, True, True]
    assert [p.ctype for p in found["types"].parameters] == [
        None, ctypes.c_bool, ctypes.c_int8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_int64,
        ctypes.c_double, None]
    read = _sycl_signature.read("""
// SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((nd_range_kernel<1>)) void commented(int a);
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((nd_range_kernel<3>)) void k(
    std::array<int, 3> a /* , int b */, const unsigned long long int n, T& r, std::size_t s) {}
SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((nd_range_kernel<1>)) void none() {}""")
    assert set(read) == {"k", "none"} and read["none"].parameters == []
    assert [p.ctype for p in read["k"].parameters] == [None, ctypes.c_uint64, None, ctypes.c_uint64]
