"""Every dtype and layout that the CPU has: values, promotion, casts, sparse and quantized."""

import pytest
import torch
from outcome import observe, same_error, same_value
from twin import DEVICE, twin

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]
COMPLEX = [torch.complex64, torch.complex128, torch.complex32]
INTS = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16,
        torch.uint32, torch.uint64]
EVERY = [*FLOATS, *FLOAT8, *COMPLEX, *INTS, torch.bool]
MATH = [*FLOATS, *COMPLEX, *INTS, torch.bool]


def values(dtype):
    """Twelve values of the dtype, with its infinities and nan where it has them."""
    t = torch.arange(-4, 8)
    if dtype == torch.bool:
        return t % 2 == 0
    if dtype.is_complex:
        return torch.complex(t.double(), t.double().flip(0) / 2).to(dtype)
    if not dtype.is_signed:
        return t.abs().to(dtype)
    if dtype in FLOATS:
        t = t.double() / 2
        t[3], t[5], t[7] = float("inf"), float("nan"), float("-inf")
    return t.to(dtype)


def agree(fn, *tensors):
    """fn on the CPU's tensors and on their twins: same error type, or same value."""
    cpu = observe(lambda: fn(*twin(tensors, "cpu")))
    dev = observe(lambda: fn(*twin(tensors)))
    same_error(cpu, dev)
    if cpu.error is None:
        same_value(cpu.value, dev.value, DEVICE)
    return cpu


@pytest.mark.parametrize("dtype", EVERY, ids=str)
def test_round_trip(dtype):
    t = values(dtype)
    there = t.to(DEVICE)
    assert there.dtype == dtype and there.device.type == torch.device(DEVICE).type
    assert torch.equal(there.cpu().view(torch.uint8), t.view(torch.uint8))
    assert torch.equal(there.clone().cpu().view(torch.uint8), t.view(torch.uint8))


@pytest.mark.parametrize("dtype", EVERY, ids=str)
def test_factories(dtype):
    for make in (lambda d: torch.zeros(3, 2, dtype=dtype, device=d),
                 lambda d: torch.ones(3, 2, dtype=dtype, device=d),
                 lambda d: torch.full((3,), 1, dtype=dtype, device=d),
                 lambda d: torch.tensor([0, 1], dtype=dtype, device=d),
                 lambda d: torch.arange(5, dtype=dtype, device=d),
                 lambda d: torch.eye(3, dtype=dtype, device=d),
                 lambda d: torch.zeros(2, dtype=dtype, device=d).fill_(1)):
        cpu, dev = observe(lambda: make("cpu")), observe(lambda: make(DEVICE))
        same_error(cpu, dev)
        if cpu.error is None:
            same_value(cpu.value, dev.value, DEVICE)


@pytest.mark.parametrize("to", EVERY, ids=str)
@pytest.mark.parametrize("dtype", EVERY, ids=str)
def test_cast(dtype, to):
    finite = values(dtype)
    if dtype in FLOATS and not to.is_floating_point and not to.is_complex:
        finite = torch.nan_to_num(finite, 1.0, 2.0, 3.0)  # otherwise undefined in C++
    agree(lambda t: t.to(to), finite)
    agree(lambda t: torch.empty(t.shape, dtype=to, device=t.device).copy_(t), finite[::2])


UNARY = {"neg": torch.neg, "abs": torch.abs, "exp": torch.exp, "sqrt": torch.sqrt,
         "sin": torch.sin, "isnan": torch.isnan, "logical_not": torch.logical_not,
         "bitwise_not": torch.bitwise_not, "sign": torch.sgn, "floor": torch.floor,
         "sum": torch.sum, "prod": torch.prod, "amax": torch.amax, "argmax": torch.argmax,
         "sort": lambda t: torch.sort(t, stable=True), "cumsum": lambda t: torch.cumsum(t, 0),
         "unique": torch.unique, "nonzero": torch.nonzero, "mean": torch.mean,
         "any": torch.any, "item": lambda t: t[1].item(), "repr": lambda t: len(t.tolist()),
         "flip": lambda t: t.flip(0), "index": lambda t: t[torch.tensor([2, 0]).to(t.device)],
         "cat": lambda t: torch.cat([t, t[:2]]), "where": lambda t: torch.where(t == t, t, t)}


@pytest.mark.parametrize("name", list(UNARY))
@pytest.mark.parametrize("dtype", EVERY, ids=str)
def test_unary(dtype, name):
    agree(UNARY[name], values(dtype))


BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
          "pow": torch.pow, "eq": torch.eq, "lt": torch.lt, "maximum": torch.maximum,
          "and": torch.bitwise_and, "floor_divide": torch.floor_divide,
          "matmul": lambda a, b: a.reshape(3, 4) @ b.reshape(4, 3)}


@pytest.mark.parametrize("name", list(BINARY))
@pytest.mark.parametrize("dtype", EVERY, ids=str)
def test_binary(dtype, name):
    other = values(dtype)
    if dtype in INTS:
        other = torch.full((12,), 3).to(dtype)
    agree(BINARY[name], values(dtype), other)


@pytest.mark.parametrize("right", [torch.bool, torch.uint8, torch.int32, torch.int64,
                                   torch.float16, torch.bfloat16, torch.float32, torch.float64,
                                   torch.complex64], ids=str)
@pytest.mark.parametrize("left", MATH, ids=str)
def test_promotion(left, right):
    a, b = values(left), torch.ones(12).to(right)
    for op in (torch.add, torch.mul, torch.eq):
        agree(op, a, b)
        agree(op, a, b[0])  # a tensor without dimensions does not promote inside its category
    agree(lambda t: t + 1.5, a)
    agree(lambda t: 2 * t, a)
    agree(lambda t, u: t.clone().add_(u), a, b)


@pytest.mark.parametrize("dtype", MATH, ids=str)
def test_cpu_scalar_with_device_tensor(dtype):
    """A CPU tensor without dimensions takes part in an operator of the device."""
    t, scalar = values(dtype), torch.tensor(2)
    for op in (torch.add, torch.mul, torch.eq, torch.sub):
        cpu = observe(lambda: op(t, scalar))
        dev = observe(lambda: op(twin(t), scalar))
        same_error(cpu, dev)
        if cpu.error is None:
            same_value(cpu.value, dev.value, DEVICE)


@pytest.mark.parametrize("dtype", [*FLOATS[1:], torch.complex64], ids=str)
def test_linear_gradient(dtype):
    torch.manual_seed(0)
    weight, x = torch.randn(5, 7).to(dtype), torch.randn(3, 7).to(dtype)

    def step(w, x):
        w.requires_grad_()
        y = torch.nn.functional.linear(x, w)
        (y * y.conj()).real.sum().backward()
        return w.grad

    agree(step, weight, x)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_float8_scaled_matmul(dtype):
    a = torch.randn(16, 32).to(torch.float8_e4m3fn)
    b = torch.randn(16, 32).to(dtype)
    one = torch.tensor(1.0)
    agree(lambda a, b, s: torch._scaled_mm(a, b.t(), s, s, out_dtype=torch.float32), a, b, one)


SPARSE = {
    "to_dense": lambda s: s.to_dense(),
    "matmul": lambda s: s @ torch.ones(4, 3, device=s.device),
    "times a number": lambda s: (s * 2).to_dense(),
    "sum": lambda s: s.sum(),
    "values": lambda s: s.values() if s.layout != torch.sparse_coo else s.coalesce().values(),
    "to the CPU": lambda s: s.cpu().to_dense().to(s.device),
    "transpose": lambda s: s.t().to_dense(),
    "nnz": lambda s: s._nnz(),
    "clone": lambda s: s.clone().to_dense(),
}


@pytest.mark.parametrize("name", list(SPARSE))
@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc"])
def test_sparse(layout, name):
    dense = torch.tensor([[0, 1.0, 0, 2], [3, 0, 0, 0], [0, 0, 4, 0]])
    make = getattr(dense, {"sparse_coo": "to_sparse", "sparse_csr": "to_sparse_csr",
                           "sparse_csc": "to_sparse_csc"}[layout])
    on_cpu, on_device = make(), twin(make())
    cpu, dev = observe(lambda: SPARSE[name](on_cpu)), observe(lambda: SPARSE[name](on_device))
    same_error(cpu, dev)
    if cpu.error is None:
        same_value(cpu.value, dev.value, DEVICE, strides=False)


@pytest.mark.parametrize("convert", ["to_sparse", "to_sparse_csr", "to_sparse_csc"])
def test_sparse_is_made_on_the_device(convert):
    dense = torch.eye(3, device=DEVICE)
    sparse = getattr(dense, convert)()
    assert sparse.device.type == torch.device(DEVICE).type
    assert torch.equal(sparse.to_dense().cpu(), torch.eye(3))


def test_sparse_constructors_and_gradient():
    results = []
    for device in ("cpu", DEVICE):
        index = torch.tensor([[0, 1, 1], [2, 0, 2]], device=device)
        value = torch.tensor([3.0, 4.0, 5.0], device=device, requires_grad=True)
        sparse = torch.sparse_coo_tensor(index, value, (2, 3), device=device)
        dense = torch.ones(3, 2, device=device, requires_grad=True)
        (torch.sparse.mm(sparse, dense) ** 2).sum().backward()
        results.append((value.grad, dense.grad))
    same_value(*results, DEVICE)


def test_sparse_embedding_gradient():
    results = []
    for device in ("cpu", DEVICE):
        weight = torch.ones(5, 3, device=device, requires_grad=True)
        index = torch.tensor([1, 3, 1], device=device)
        torch.nn.functional.embedding(index, weight, sparse=True).sum().backward()
        results.append(weight.grad.coalesce().to_dense())
    same_value(*results, DEVICE)


QUANTIZED = {
    "int_repr": lambda q: q.int_repr(),
    "dequantize": lambda q: q.dequantize(),
    "scale": lambda q: (q.q_scale(), q.q_zero_point()),
    "clone": lambda q: q.clone().dequantize(),
    "reshape": lambda q: q.reshape(-1).dequantize(),
    "relu": lambda q: torch.relu(q).dequantize(),
}


@pytest.mark.parametrize("name", list(QUANTIZED))
@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8, torch.qint32], ids=str)
def test_quantized(dtype, name):
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    agree(lambda t: QUANTIZED[name](torch.quantize_per_tensor(t, 0.02, 3, dtype)), x)


def test_quantized_per_channel_and_fake():
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2])
    agree(lambda t, s, z: torch.quantize_per_channel(t, s, z, 0, torch.qint8).dequantize(),
          x, scales, zeros)
    agree(lambda t: torch.fake_quantize_per_tensor_affine(t, 0.1, 0, -128, 127), x)
    agree(lambda t, s, z: torch.fake_quantize_per_channel_affine(t, s, z.int(), 0, -128, 127),
          x, scales, zeros)
