"""Matrix operators of the SYCL engine against the CPU: through oneDNN and the kernels that
stand in for it.  Run with XPU_LITE_DEVICES naming a SYCL device, as opencl:cpu."""

import pytest
import torch
from engine import sycl_only

pytestmark = sycl_only()

f32, f64 = torch.float32, torch.float64
FLOATS = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
OTHERS = [torch.int64, torch.int32, torch.int8, torch.uint8, torch.complex64, torch.complex128]
TOLERANCE = {
    torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.float32: 2e-5, torch.complex64: 2e-5,
}


def make(shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape, generator=generator).to(dtype)
    low = 0 if dtype == torch.uint8 else -3
    return torch.randint(low, 4, shape, generator=generator).to(dtype)


def check(function, *tensors):
    """function on the device equals function on the CPU: values, dtype, sizes, strides."""
    expected = function(*[t.clone() for t in tensors])
    torch.xpu_lite.reset_fallbacks()
    actual = function(*[t.to("xpu_lite") for t in tensors])
    assert torch.xpu_lite.fallbacks() == {}
    assert actual.device.type == "xpu_lite"
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.stride() == expected.stride()
    tolerance = TOLERANCE.get(expected.dtype, 1e-10)
    torch.testing.assert_close(
        actual.cpu(), expected, rtol=tolerance, atol=tolerance * 10, equal_nan=True
    )


@pytest.mark.parametrize("dtype", FLOATS + OTHERS, ids=str)
@pytest.mark.parametrize("m,k,n", [(1, 1, 1), (5, 7, 3), (64, 33, 130), (1, 70, 40), (40, 70, 1)])
def test_mm(dtype, m, k, n):
    check(torch.mm, make((m, k), dtype), make((k, n), dtype, 1))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_layouts_of_operands(dtype):
    a, b = make((12, 20), dtype), make((20, 24), dtype, 1)
    check(lambda a, b: a.t().contiguous().t() @ b, a, b)
    check(lambda a, b: a @ b.t().contiguous().t(), a, b)
    check(lambda a, b: a[::2] @ b[:, ::3], a, b)
    check(lambda a, b: a[:, 3:11] @ b[5:13], a, b)
    check(lambda a, b: a[:1].expand(4, 20) @ b, a, b)
    check(lambda a, b: a[:, :1].expand(12, 20) @ b, a, b)


@pytest.mark.parametrize("dtype", FLOATS + [torch.int64, torch.complex64], ids=str)
def test_bmm(dtype):
    a, b = make((3, 5, 7), dtype), make((3, 7, 4), dtype, 1)
    check(torch.bmm, a, b)
    check(
        lambda a, b: torch.bmm(a.transpose(1, 2), b.transpose(1, 2)),
        make((3, 5, 4), dtype), make((3, 7, 5), dtype),
    )
    check(lambda a, b: torch.bmm(a.transpose(0, 1), b), make((5, 3, 7), dtype), b)
    check(lambda a, b: torch.bmm(a[:1].expand(3, 5, 7), b), a, b)
    check(lambda a, b: torch.matmul(a[None], b[:, None]), a, b)


@pytest.mark.parametrize("dtype", FLOATS + [torch.int32, torch.complex64], ids=str)
@pytest.mark.parametrize("self_shape", [(6,), (1, 6), (4, 1), (4, 6), ()], ids=str)
@pytest.mark.parametrize("beta,alpha", [(1, 1), (0, 1), (2, 3), (1, 2), (1, 0), (0, 0)])
def test_addmm(dtype, self_shape, beta, alpha):
    check(
        lambda s, a, b: torch.addmm(s, a, b, beta=beta, alpha=alpha),
        make(self_shape, dtype), make((4, 5), dtype, 1), make((5, 6), dtype, 2),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_in_place_and_out(dtype):
    s, a, b = make((4, 6), dtype), make((4, 5), dtype, 1), make((5, 6), dtype, 2)
    check(lambda s, a, b: s.clone().addmm_(a, b, beta=0.5, alpha=2), s, a, b)
    check(lambda s, a, b: s.t().contiguous().t().addmm_(a, b), s, a, b)
    check(lambda s, a, b: torch.mm(a, b, out=torch.empty_like(s)), s, a, b)
    check(lambda s, a, b: torch.mm(a, b, out=s.new_zeros(8, 6)[::2]), s, a, b)
    check(lambda s, a, b: torch.mm(a, b, out=s.new_zeros(4, 12)[:, ::2]), s, a, b)
    check(lambda s, a, b: torch.addmm(s, a, b, out=s), s.clone(), a, b)
    square = make((5, 5), dtype)
    check(lambda q: q.clone().addmm_(q, q), square)


@pytest.mark.parametrize("dtype", [f32, torch.bfloat16, f64, torch.int64], ids=str)
def test_baddbmm_addmv_addbmm(dtype):
    s, a, b = make((3, 4, 6), dtype), make((3, 4, 5), dtype, 1), make((3, 5, 6), dtype, 2)
    for shape in [(3, 4, 6), (6,), (4, 1), (3, 1, 6), (1, 4, 6)]:
        check(lambda s, a, b: torch.baddbmm(s, a, b), make(shape, dtype), a, b)
        check(lambda s, a, b: torch.baddbmm(s, a, b, beta=2, alpha=3), make(shape, dtype), a, b)
    check(lambda s, a, b: s.clone().baddbmm_(a, b, beta=2), s, a, b)
    check(lambda s, a, b: torch.addbmm(s[0], a, b, beta=2, alpha=3), s, a, b)
    check(torch.mv, make((5, 7), dtype), make((7,), dtype, 1))
    check(lambda m, v: torch.mv(m.t(), v), make((7, 5), dtype), make((7,), dtype, 1))
    check(lambda m, v: torch.mv(m, v[::2]), make((5, 7), dtype), make((14,), dtype, 1))
    for beta in (0, 1, 2):
        check(
            lambda s, m, v, beta=beta: torch.addmv(s, m, v, beta=beta, alpha=2),
            make((5,), dtype), make((5, 7), dtype, 1), make((7,), dtype, 2),
        )
    check(torch.addr, make((4, 6), dtype), make((4,), dtype, 1), make((6,), dtype, 2))
    check(torch.dot, make((33,), dtype), make((33,), dtype, 1))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128], ids=str)
def test_conjugates(dtype):
    a, b = make((4, 5), dtype), make((5, 6), dtype, 1)
    check(lambda a, b: a.conj() @ b.conj(), a, b)
    check(lambda a, b: a.mH.contiguous().mH @ b, a, b)
    check(lambda v, w: torch.vdot(v, w), make((9,), dtype), make((9,), dtype, 1))
    check(lambda v, w: torch.dot(v.conj(), w), make((9,), dtype), make((9,), dtype, 1))
    check(
        lambda s, a, b: torch.addmm(s, a, b, beta=2 - 1j, alpha=1 + 3j),
        make((4, 6), dtype, 2), a, b,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_beta_zero_does_not_read(dtype):
    nan = torch.full((4, 6), float("nan"), dtype=dtype)
    a, b = make((4, 5), dtype), make((5, 6), dtype, 1)
    check(lambda s, a, b: torch.addmm(s, a, b, beta=0), nan, a, b)
    check(lambda s, a, b: s.clone().addmm_(a, b, beta=0), nan, a, b)
    check(lambda s, a, b: torch.mm(a, b, out=s), nan.clone(), a, b)
    # k of zero: only the bias, or zeros
    for start, beta in ((make((4, 6), dtype), 2), (nan, 0)):
        check(
            lambda s, beta=beta: torch.addmm(s, s.new_empty(4, 0), s.new_empty(0, 6), beta=beta),
            start,
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64], ids=str)
def test_empty(dtype):
    for a, b in [((0, 3), (3, 4)), ((2, 0), (0, 4)), ((2, 3), (3, 0)), ((0, 0), (0, 0))]:
        check(torch.mm, make(a, dtype), make(b, dtype))
        check(torch.bmm, make((2, *a), dtype), make((2, *b), dtype))
    check(torch.bmm, make((0, 2, 3), dtype), make((0, 3, 4), dtype))
    check(torch.mv, make((0, 3), dtype), make((3,), dtype))
    check(torch.mv, make((3, 0), dtype), make((0,), dtype))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape", [(3, 8), (2, 3, 8), (8,), (2, 0, 8)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_linear(dtype, shape, bias):
    x, w, b = make(shape, dtype), make((5, 8), dtype, 1), make((5,), dtype, 2)

    def forward_and_backward(x, w, b):
        leaves = [t.detach().clone().requires_grad_() for t in (x, w, b)]
        y = torch.nn.functional.linear(leaves[0], leaves[1], leaves[2] if bias else None)
        y.backward(torch.ones_like(y) / 2)
        return torch.cat([y.flatten(), *[t.grad.flatten() for t in leaves if t.grad is not None]])

    check(forward_and_backward, x, w, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("gelu", [True, False])
def test_addmm_activation(dtype, gelu):
    for beta, alpha in [(1, 1), (0.5, 2)]:
        check(
            lambda s, a, b, beta=beta, alpha=alpha: torch._addmm_activation(
                s, a, b, beta=beta, alpha=alpha, use_gelu=gelu
            ),
            make((6,), dtype), make((4, 5), dtype, 1), make((5, 6), dtype, 2),
        )


def test_infinities():
    a = torch.tensor([[float("inf"), 1.0], [float("nan"), 2.0]])
    check(torch.mm, a, torch.tensor([[1.0, 0.0], [2.0, 3.0]]))
    check(lambda s, a, b: torch.addmm(s, a, b, alpha=0), torch.ones(2, 2), a, a)


def test_einsum_and_matmul():
    check(
        lambda a, b: torch.einsum("bhqd,bhkd->bhqk", a, b),
        make((2, 3, 4, 5), f32), make((2, 3, 6, 5), f32),
    )
    check(lambda a, b: torch.einsum("ij,j->i", a, b), make((4, 5), f32), make((5,), f32))
    check(
        lambda a, b: a.transpose(1, 2) @ b.permute(0, 2, 3, 1),
        make((2, 4, 3, 5), f32), make((2, 6, 3, 5), f32),
    )


def ones(device, *size, dtype=torch.float32):
    return torch.ones(size, device=device, dtype=dtype)


@pytest.mark.parametrize(
    "function",
    [
        lambda d: torch.mm(ones(d, 2, 3), ones(d, 4, 5)),
        lambda d: torch.mm(ones(d, 2, 3), ones(d, 3)),
        lambda d: torch.mm(ones(d, 2, 3), ones(d, 3, 2).long()),
        lambda d: torch.bmm(ones(d, 2, 3, 4), ones(d, 3, 4, 5)),
        lambda d: torch.bmm(ones(d, 1, 3, 4), ones(d, 1, 4, 5).double()),
        lambda d: torch.addmm(ones(d, 7), ones(d, 2, 3), ones(d, 3, 4)),
        lambda d: torch.addmm(ones(d, 4).long(), ones(d, 2, 3), ones(d, 3, 4)),
        lambda d: torch.addmv(ones(d, 2), ones(d, 2, 3), ones(d, 4)),
        lambda d: torch.mv(ones(d, 2, 3), ones(d, 3).double()),
        lambda d: torch.dot(ones(d, 2), ones(d, 3)),
        lambda d: torch.mm(ones(d, 2, 3, dtype=torch.bool), ones(d, 3, 2, dtype=torch.bool)),
        lambda d: torch.nn.functional.linear(ones(d, 2, 3), ones(d, 4, 3).double()),
    ],
)
def test_errors_are_the_cpus(function):
    with pytest.raises(Exception) as on_cpu:
        function("cpu")
    with pytest.raises(type(on_cpu.value)) as on_device:
        function("xpu_lite")
    assert str(on_device.value).splitlines()[0] == str(on_cpu.value).splitlines()[0]
