"""torch.use_deterministic_algorithms on the device."""

import pytest
import torch

DEVICE = "xpu_lite"


@pytest.fixture(autouse=True)
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True


MAKERS = {
    "empty": lambda dtype: torch.empty(100, dtype=dtype, device=DEVICE),
    "empty_strided": lambda dtype: torch.empty_strided((10, 10), (1, 10), dtype=dtype,
                                                       device=DEVICE),
    "empty_like": lambda dtype: torch.empty_like(torch.ones(100, dtype=dtype, device=DEVICE)),
    "new_empty": lambda dtype: torch.ones(1, device=DEVICE).new_empty(100, dtype=dtype),
    "empty_permuted": lambda dtype: torch.empty_permuted((10, 10), (1, 0), dtype=dtype,
                                                         device=DEVICE),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_uninitialised_memory_is_filled(maker):
    # Leave other bytes in the blocks that the next allocations will get.
    for dtype in (torch.float32, torch.bfloat16, torch.int64):
        used = [torch.full((100,), 3, dtype=dtype, device=DEVICE) for _ in range(4)]
        del used
    for dtype in (torch.float32, torch.bfloat16, torch.complex64):
        assert torch.isnan(MAKERS[maker](dtype)).all()
    largest = torch.iinfo(torch.int64).max
    assert (MAKERS[maker](torch.int64) == largest).all()
    assert MAKERS[maker](torch.bool).all()


def test_resize_fills_what_is_new():
    x = torch.ones(10, device=DEVICE)
    x.resize_(50)
    assert (x[:10] == 1).all() and torch.isnan(x[10:]).all()


def test_fill_can_be_turned_off():
    torch.utils.deterministic.fill_uninitialized_memory = False
    used = torch.full((1000,), 3.0, device=DEVICE)
    del used
    assert not torch.isnan(torch.empty(1000, device=DEVICE)).all()


def test_what_the_cpu_refuses_is_refused():
    def put(device):
        torch.zeros(4, device=device).put_(torch.tensor([0, 0], device=device),
                                           torch.tensor([1.0, 2.0], device=device))

    with pytest.raises(RuntimeError, match="deterministic"):
        put("cpu")
    with pytest.raises(RuntimeError, match="deterministic"):
        put(DEVICE)
    torch.use_deterministic_algorithms(True, warn_only=True)
    with pytest.warns(UserWarning, match="deterministic"):
        put(DEVICE)


REPEATED = {
    "index_add": lambda x, i: torch.zeros(50, 64, device=DEVICE).index_add_(0, i, x),
    "scatter_add": lambda x, i: torch.zeros(50, 64, device=DEVICE).scatter_add_(
        0, i[:, None].expand(-1, 64), x),
    "index_put": lambda x, i: torch.zeros(50, 64, device=DEVICE).index_put_(
        (i,), x, accumulate=True),
    "cumsum": lambda x, i: x.cumsum(0),
    "sum": lambda x, i: x.sum(),
    "bincount": lambda x, i: torch.bincount(i, x[:, 0].abs().double()),
    "embedding": lambda x, i: _embedding_gradient(x, i),
    "upsample": lambda x, i: _upsample_gradient(x),
}


def _embedding_gradient(x, i):
    table = torch.ones(50, 64, device=DEVICE, requires_grad=True)
    (torch.nn.functional.embedding(i, table) * x).sum().backward()
    return table.grad


def _upsample_gradient(x):
    image = x.view(1, 1, *x.shape).clone().requires_grad_()
    torch.nn.functional.interpolate(image, scale_factor=2, mode="bilinear").pow(2).sum().backward()
    return image.grad


@pytest.mark.parametrize("name", REPEATED)
def test_same_bits_every_time(name):
    torch.manual_seed(0)
    x = torch.randn(4000, 64, device=DEVICE)
    i = torch.randint(0, 50, (4000,), device=DEVICE)
    first = REPEATED[name](x, i)
    for _ in range(4):
        assert torch.equal(REPEATED[name](x, i), first)
