"""Sorting of the SYCL engine against the CPU: sort, topk, kthvalue, median, mode, unique,
searchsorted, isin."""

import pytest
import torch
from engine import sycl_only

pytestmark = sycl_only()

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
          torch.int16, torch.int8, torch.uint8, torch.bool]
# Around the tile that one group sorts (1024), and several levels of merging.
SIZES = [0, 1, 2, 3, 31, 1000, 1024, 1025, 5000]


@pytest.fixture(autouse=True)
def no_fallback():
    before = torch.xpu_lite.fallbacks()
    yield
    assert torch.xpu_lite.fallbacks() == before


def make(shape, dtype=torch.float32, seed=0):
    """Values with many equal ones."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) * 40).round().to(dtype)


def same(function, *args):
    expected = function(*args)
    actual = function(*(a.to("xpu_lite") if torch.is_tensor(a) else a for a in args))
    for a, e in zip(*((r,) if torch.is_tensor(r) else r for r in (actual, expected))):
        assert a.device.type == "xpu_lite"
        assert (a.dtype, a.shape, a.stride()) == (e.dtype, e.shape, e.stride())
        torch.testing.assert_close(a.cpu(), e, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sort(dtype):
    for n in SIZES:
        for descending in (False, True):
            same(lambda x: x.sort(stable=True, dim=-1, descending=descending), make((3, n), dtype))
    for dim in range(3):
        same(lambda x: x.sort(stable=True, dim=dim), make((7, 40, 5), dtype))
        same(lambda x: x.sort(stable=True, dim=dim, descending=True),
             make((7, 40, 5), dtype).transpose(0, 2))
    same(lambda x: x.argsort(stable=True), make((2, 70), dtype))
    same(lambda x: x.sort(), make((), dtype))


def test_sort_many():
    x = torch.randn(300000, generator=torch.Generator().manual_seed(1))
    same(lambda x: x.sort(stable=True), x)
    same(lambda x: x.long().sort(stable=True, descending=True), x * 1000)


def test_not_a_number_is_the_greatest():
    nan, inf = float("nan"), float("inf")
    x = torch.tensor([1.0, nan, -0.0, -inf, 0.0, -nan, inf, -3.0])
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        same(lambda x: x.sort(stable=True), x.to(dtype))
        same(lambda x: x.sort(stable=True, descending=True), x.to(dtype))
        same(lambda x: x.topk(4)[0], x.to(dtype))
        same(lambda x: x.median(), x.to(dtype))
        same(lambda x: x.nanmedian(), x.to(dtype))
        same(lambda x: x.view(2, 4).nanmedian(1), x.to(dtype))


@pytest.mark.parametrize("dtype", DTYPES[:-1])
def test_topk(dtype):
    for n, k in ((1, 1), (5, 5), (5, 0), (1000, 10), (1024, 256), (3000, 257), (50257, 50),
                 (4000, 4000)):
        # Which of equal values come is up to the implementation: compare the values only.
        for largest in (True, False):
            x = make((2, n), dtype)
            same(lambda x: x.topk(k, largest=largest)[0], x)
            values, indices = x.to("xpu_lite").topk(k, largest=largest)
            assert torch.equal(values.cpu(), x.gather(1, indices.cpu()))
            assert all(len(set(row)) == k for row in indices.tolist())
    x = torch.randperm(600, generator=torch.Generator().manual_seed(1)).view(10, 12, 5).to(dtype)
    if dtype in (torch.float32, torch.int64, torch.int32):  # all different
        for dim in range(3):
            same(lambda x: x.topk(3, dim=dim), x)
    with pytest.raises(RuntimeError):
        x.to("xpu_lite").topk(100)


def test_kthvalue_median_mode():
    x = torch.randperm(700, generator=torch.Generator().manual_seed(1)).view(10, 14, 5).float()
    for dim in range(3):
        for keepdim in (False, True):
            same(lambda x: x.kthvalue(3, dim=dim, keepdim=keepdim), x)
            same(lambda x: x.median(dim=dim, keepdim=keepdim), x)
            same(lambda x: x.nanmedian(dim=dim, keepdim=keepdim), x)
            same(lambda x: x.mode(dim=dim, keepdim=keepdim)[0], (x / 90).floor())
    same(lambda x: x.median(), x)
    same(lambda x: x.quantile(0.3, dim=1), x)
    for k in (0, 11):
        with pytest.raises(RuntimeError, match="out of range"):
            x.to("xpu_lite").kthvalue(k, dim=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unique(dtype):
    for n in (0, 1, 5000):
        x = make((n,), dtype)
        same(lambda x: x.unique(return_inverse=True, return_counts=True), x)
        same(lambda x: x.unique_consecutive(return_inverse=True, return_counts=True), x.sort()[0])
    same(lambda x: x.unique(), make((3, 4, 5), dtype))


def test_searchsorted():
    edges = torch.tensor([-3.0, -1.0, 0.0, 0.0, 2.0, 5.5])
    x = make((3, 40)) / 20
    for right in (False, True):
        for out_int32 in (False, True):
            same(lambda e, x: torch.searchsorted(e, x, right=right, out_int32=out_int32), edges, x)
            same(lambda e, x: torch.bucketize(x, e, right=right, out_int32=out_int32), edges, x)
    rows = make((3, 9)).sort()[0]
    same(lambda e, x: torch.searchsorted(e, x), rows, x)
    same(lambda e, x: torch.searchsorted(e, x, side="right"), rows.int(), x.int())
    shuffled = rows.flip(1)
    same(lambda e, x, s: torch.searchsorted(e, x, sorter=s), shuffled, x,
         torch.arange(9).flip(0).expand(3, 9).contiguous())
    same(lambda e: torch.searchsorted(e, 1.0), edges)


def test_isin():
    x, few, many = make((5, 9)), make((3,), seed=1), make((90,), seed=2)
    for test in (few, many, many[:0]):
        same(lambda x, t: torch.isin(x, t), x, test)
        same(lambda x, t: torch.isin(x, t, invert=True), x, test)
    same(lambda x: torch.isin(x, 3), x)
