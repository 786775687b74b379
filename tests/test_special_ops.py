"""Operators that torch has kernels of for accelerators only."""

import pytest
import torch
import torch.nn.functional as F

DEVICE = "xpu_lite"
aten = torch.ops.aten


def on_device(*tensors):
    return [t.to(DEVICE) for t in tensors]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_products_of_low_precision_in_float(dtype):
    torch.manual_seed(0)
    a, b = torch.randn(5, 7).to(dtype), torch.randn(7, 3).to(dtype)
    c = torch.randn(5, 3)
    da, db, dc = on_device(a, b, c)
    want = a.float() @ b.float()
    batch_a, batch_b = torch.stack([a, 2 * a]), torch.stack([b, b])
    batch_want = torch.bmm(batch_a.float(), batch_b.float())
    batch_c = torch.stack([c, c])
    cases = [
        (torch.mm, (da, db), {}, want),
        (torch.bmm, on_device(batch_a, batch_b), {}, batch_want),
        (torch.addmm, (dc, da, db), dict(beta=2, alpha=0.5), 2 * c + 0.5 * want),
        (torch.baddbmm, on_device(batch_c, batch_a, batch_b), dict(beta=2, alpha=0.5),
         2 * batch_c + 0.5 * batch_want),
    ]
    for op, args, options, expected in cases:
        got = op(*args, out_dtype=torch.float32, **options)
        assert got.dtype == torch.float32 and got.device.type == DEVICE
        torch.testing.assert_close(got.cpu(), expected)
        out = torch.empty_like(got)
        assert op(*args, out_dtype=torch.float32, out=out, **options) is out
        torch.testing.assert_close(out, got)
        same = op(*(t.to(dtype) for t in args), out_dtype=dtype, **options)
        assert same.dtype == dtype
        with pytest.raises(RuntimeError, match="out_dtype"):
            op(*args, out_dtype=torch.float64, **options)
        with pytest.raises(RuntimeError, match="out_dtype"):
            op(*args, out_dtype=torch.float32, out=out.double(), **options)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_depthwise_convolutions(multiplier, bias):
    torch.manual_seed(0)
    for dims, op, reference in ((2, aten._conv_depthwise2d, F.conv2d), (3, aten.conv_depthwise3d, F.conv3d)):
        x = torch.randn(2, 4, *[8] * dims)
        w = torch.randn(4 * multiplier, 1, *[3] * dims)
        b = torch.randn(4 * multiplier) if bias else None
        want = reference(x, w, b, 2, 1, 2 if dims == 2 else 1, groups=4)
        args = (*on_device(x, w), [3] * dims, b if b is None else b.to(DEVICE), [2] * dims, [1] * dims,
                [2 if dims == 2 else 1] * dims)
        got = op(*args)
        torch.testing.assert_close(got.cpu(), want, rtol=1e-4, atol=1e-5)
        if dims == 2:
            out = torch.empty(0, device=DEVICE)
            assert op(*args, out=out) is out
            torch.testing.assert_close(out, got)
        unbatched = op(args[0][0], *args[1:])
        torch.testing.assert_close(unbatched, got[0], rtol=1e-4, atol=1e-5)


def test_max_pool2d_backward():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    out = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
    grad = torch.randn_like(out)
    want, = torch.autograd.grad(out, x, grad)
    got = aten.max_pool2d_backward(*on_device(grad, x.detach()), [3, 3], [2, 2], [1, 1], [1, 1], True)
    torch.testing.assert_close(got.cpu(), want)


def int4_problem(k=64, n=64, group=32):
    torch.manual_seed(0)
    x = torch.randn(3, k).bfloat16()
    weight = torch.randint(0, 16, (n, k), dtype=torch.int32)
    scale = torch.rand(k // group, n) + 0.5
    zero = torch.randn(k // group, n)
    scales = torch.stack([scale, zero], -1).bfloat16()
    return x, weight, scales, group


@pytest.mark.parametrize("nibbles", [False, True])
def test_int4_weights(nibbles):
    x, weight, scales, group = int4_problem()
    want = aten._weight_int4pack_mm_for_cpu(
        x, aten._convert_weight_to_int4pack_for_cpu(weight, 2), group, scales)
    given = (weight[:, ::2] << 4 | weight[:, 1::2]).to(torch.uint8) if nibbles else weight
    packed = aten._convert_weight_to_int4pack(given.to(DEVICE), 2)
    got = aten._weight_int4pack_mm(x.to(DEVICE), packed, group, scales.to(DEVICE))
    assert got.device.type == DEVICE
    torch.testing.assert_close(got.cpu(), want, rtol=2e-2, atol=1e-1)


FLOAT8 = torch.float8_e4m3fn


def float8(*shape):
    return torch.randn(shape).to(FLOAT8)


@pytest.mark.parametrize("v2", [False, True])
@pytest.mark.parametrize("case", ["rows", "columns", "contraction", "batched"])
def test_scaled_grouped_mm(case, v2):
    torch.manual_seed(0)
    offs = torch.tensor([2, 2, 6], dtype=torch.int32)
    ranges = [(0, 2), (2, 2), (2, 6)]
    if case == "rows":
        a, b, sa, sb = float8(6, 16), float8(3, 16, 5), torch.rand(6), torch.rand(3, 5)
        want = torch.cat([(a[s:e].float() * sa[s:e, None]) @ (b[g].float() * sb[g]) for g, (s, e) in enumerate(ranges)])
    elif case == "columns":
        a, b, sa, sb = float8(3, 5, 16), float8(16, 6), torch.rand(3, 5), torch.rand(6)
        want = torch.cat([(a[g].float() * sa[g][:, None]) @ (b[:, s:e].float() * sb[s:e])
                          for g, (s, e) in enumerate(ranges)], dim=1)
    elif case == "contraction":
        a, b, sa, sb = float8(4, 6), float8(6, 5), torch.rand(12), torch.rand(15)
        want = torch.stack([(a[:, s:e].float() * sa.view(3, 4)[g][:, None]) @ (b[s:e].float() * sb.view(3, 5)[g])
                            for g, (s, e) in enumerate(ranges)])
    else:
        a, b, sa, sb = float8(3, 4, 16), float8(3, 16, 5), torch.rand(3, 4), torch.rand(3, 5)
        offs = None
        want = torch.bmm(a.float() * sa[..., None], b.float() * sb[:, None])
    da, db, dsa, dsb = on_device(a, b, sa, sb)
    doffs = offs if offs is None else offs.to(DEVICE)
    if v2:
        got = aten._scaled_grouped_mm_v2(da, db, [dsa], [1], [0], [dsb], [1], [0], doffs, None, torch.bfloat16)
    else:
        got = aten._scaled_grouped_mm(da, db, dsa, dsb, doffs, None, None, torch.bfloat16)
    assert got.dtype == torch.bfloat16 and got.device.type == DEVICE
    torch.testing.assert_close(got.cpu().float(), want, rtol=1e-2, atol=1e-2)


def test_scaled_grouped_mm_checks_its_arguments():
    a, b, sa, sb = on_device(float8(6, 16), float8(2, 16, 5), torch.rand(6), torch.rand(2, 5))
    for offs in ([4, 2], [2, 9]):
        with pytest.raises(RuntimeError, match="offs must not descend"):
            aten._scaled_grouped_mm(a, b, sa, sb, torch.tensor(offs, dtype=torch.int32, device=DEVICE))
    with pytest.raises(NotImplementedError, match="row-wise"):
        aten._scaled_grouped_mm_v2(a, b, [sa], [3], [0], [sb], [3], [0], None, None, torch.bfloat16)


def test_grouped_mm():
    torch.manual_seed(0)
    a, b = torch.randn(8, 16).bfloat16(), torch.randn(2, 16, 8).bfloat16()
    offs = torch.tensor([3, 8], dtype=torch.int32)
    want = torch.cat([a[:3] @ b[0], a[3:] @ b[1]])
    got = torch._grouped_mm(*on_device(a, b), offs=offs.to(DEVICE))
    torch.testing.assert_close(got.cpu(), want, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: aten._mixed_dtypes_linear(x, x, x),
        lambda x: aten._triton_scaled_dot_attention(x, x, x),
        lambda x: aten._triton_multi_head_attention(x, x, x, 4, 1, x, x, x, x),
        lambda x: aten._spsolve(x, x),
    ],
    ids=["_mixed_dtypes_linear", "_triton_scaled_dot_attention", "_triton_multi_head_attention", "_spsolve"],
)
def test_operators_of_one_vendor_raise_and_leave_the_device_usable(call):
    x = torch.ones(4, 4, device=DEVICE)
    with pytest.raises(NotImplementedError):
        call(x)
    assert (x + 1).sum().item() == 32
