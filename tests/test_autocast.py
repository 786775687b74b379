"""torch.autocast("xpu_lite"): the lists of operators, nesting, dtypes, the weight cache."""

import threading

import pytest
import torch
import torch.nn.functional as F

DEVICE = "xpu_lite"
LOW, FULL = torch.bfloat16, torch.float32


def f32(*shape):
    return torch.rand(*shape, device=DEVICE) * 0.8 + 0.1


def low(*shape):
    return f32(*shape).to(LOW)


def lstm_cell_inputs(make):
    return (make(2, 4), (make(2, 3), make(2, 3)), make(12, 4), make(12, 3), make(12), make(12))


def cell_inputs(make, gates):
    return (make(2, 4), make(2, 3), make(3 * gates, 4), make(3 * gates, 3), make(3 * gates),
            make(3 * gates))


LOWER = {
    "_convolution": lambda m: torch._convolution(
        m(1, 2, 5), m(3, 2, 3), m(3), (1,), (0,), (1,), False, (0,), 1, False, True, True, True),
    "conv1d": lambda m: F.conv1d(m(1, 2, 5), m(3, 2, 3), m(3)),
    "conv2d": lambda m: F.conv2d(m(1, 2, 5, 5), m(3, 2, 3, 3)),
    "conv2d_same": lambda m: F.conv2d(m(1, 2, 5, 5), m(3, 2, 3, 3), padding="same"),
    "conv3d": lambda m: F.conv3d(m(1, 2, 4, 4, 4), m(3, 2, 3, 3, 3)),
    "conv_tbc": lambda m: torch.conv_tbc(m(5, 1, 2), m(3, 2, 4), m(4)),
    "conv_transpose1d": lambda m: F.conv_transpose1d(m(1, 2, 5), m(2, 3, 3)),
    "conv_transpose2d": lambda m: F.conv_transpose2d(m(1, 2, 5, 5), m(2, 3, 3, 3)),
    "conv_transpose3d": lambda m: F.conv_transpose3d(m(1, 2, 3, 3, 3), m(2, 3, 3, 3, 3)),
    "convolution": lambda m: torch.convolution(
        m(1, 2, 5), m(3, 2, 3), None, (1,), (0,), (1,), False, (0,), 1),
    "prelu": lambda m: torch.prelu(m(2, 3), m(3)),
    "addmm": lambda m: torch.addmm(m(2, 4), m(2, 3), m(3, 4)),
    "addmv": lambda m: torch.addmv(m(2), m(2, 3), m(3)),
    "addr": lambda m: torch.addr(m(2, 3), m(2), m(3)),
    "matmul": lambda m: torch.matmul(m(2, 3), m(3, 4)),
    "einsum": lambda m: torch.einsum("ij,jk->ik", m(2, 3), m(3, 4)),
    "mm": lambda m: torch.mm(m(2, 3), m(3, 4)),
    "mv": lambda m: torch.mv(m(2, 3), m(3)),
    "linalg_vecdot": lambda m: torch.linalg.vecdot(m(2, 3), m(2, 3)),
    "linear": lambda m: F.linear(m(2, 3), m(4, 3), m(4)),
    "addbmm": lambda m: torch.addbmm(m(2, 4), m(5, 2, 3), m(5, 3, 4)),
    "baddbmm": lambda m: torch.baddbmm(m(5, 2, 4), m(5, 2, 3), m(5, 3, 4)),
    "bmm": lambda m: torch.bmm(m(5, 2, 3), m(5, 3, 4)),
    "chain_matmul": lambda m: torch.chain_matmul(m(2, 3), m(3, 4), m(4, 5)),
    "linalg_multi_dot": lambda m: torch.linalg.multi_dot([m(2, 3), m(3, 4), m(4, 5)]),
    "lstm_cell": lambda m: torch.lstm_cell(*lstm_cell_inputs(m))[0],
    "gru_cell": lambda m: torch.gru_cell(*cell_inputs(m, 3)),
    "rnn_tanh_cell": lambda m: torch.rnn_tanh_cell(*cell_inputs(m, 1)),
    "rnn_relu_cell": lambda m: torch.rnn_relu_cell(*cell_inputs(m, 1)),
    "scaled_dot_product_attention": lambda m: F.scaled_dot_product_attention(
        m(1, 2, 4, 8), m(1, 2, 4, 8), m(1, 2, 4, 8)),
}

POINTWISE_FP32 = ["acos", "asin", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p",
                  "reciprocal", "rsqrt", "sinh", "cosh", "tan"]


def labels(*shape):
    return torch.zeros(*shape, dtype=torch.long, device=DEVICE)


def signs(*shape):
    return torch.ones(*shape, dtype=LOW, device=DEVICE)


FP32 = {
    **{name: (lambda m, name=name: getattr(torch, name)(m(2, 3))) for name in POINTWISE_FP32},
    "pow.Tensor_Scalar": lambda m: torch.pow(m(3), 2),
    "pow.Tensor_Tensor": lambda m: torch.pow(m(3), m(3)),
    "pow.Scalar": lambda m: torch.pow(2, m(3)),
    "softplus": lambda m: F.softplus(m(3)),
    "layer_norm": lambda m: F.layer_norm(m(2, 3), (3,), m(3), m(3)),
    "native_layer_norm": lambda m: torch.native_layer_norm(m(2, 3), (3,), m(3), m(3), 1e-5)[0],
    "rms_norm": lambda m: F.rms_norm(m(2, 3), (3,), m(3)),
    "group_norm": lambda m: F.group_norm(m(2, 4, 3), 2, m(4), m(4)),
    "norm.Scalar": lambda m: torch.norm(m(3)),
    "norm.ScalarOpt_dim": lambda m: torch.norm(m(2, 3), 2, 1),
    "cosine_similarity": lambda m: F.cosine_similarity(m(2, 3), m(2, 3)),
    "poisson_nll_loss": lambda m: F.poisson_nll_loss(m(3), m(3)),
    "cosine_embedding_loss": lambda m: F.cosine_embedding_loss(m(2, 3), m(2, 3), signs(2)),
    "nll_loss": lambda m: F.nll_loss(m(2, 3), labels(2)),
    "nll_loss2d": lambda m: F.nll_loss(m(2, 3, 2, 2), labels(2, 2, 2)),
    "hinge_embedding_loss": lambda m: F.hinge_embedding_loss(m(3), signs(3)),
    "kl_div": lambda m: F.kl_div(m(3), m(3), reduction="sum"),
    "l1_loss": lambda m: F.l1_loss(m(3), m(3)),
    "smooth_l1_loss": lambda m: F.smooth_l1_loss(m(3), m(3)),
    "huber_loss": lambda m: F.huber_loss(m(3), m(3)),
    "mse_loss": lambda m: F.mse_loss(m(3), m(3)),
    "margin_ranking_loss": lambda m: F.margin_ranking_loss(m(3), m(3), signs(3)),
    "multilabel_margin_loss": lambda m: F.multilabel_margin_loss(m(2, 3), labels(2, 3)),
    "soft_margin_loss": lambda m: F.soft_margin_loss(m(3), signs(3)),
    "triplet_margin_loss": lambda m: F.triplet_margin_loss(m(2, 3), m(2, 3), m(2, 3)),
    "multi_margin_loss": lambda m: F.multi_margin_loss(m(2, 3), labels(2)),
    "binary_cross_entropy_with_logits": lambda m: F.binary_cross_entropy_with_logits(m(3), m(3)),
    "dist": lambda m: torch.dist(m(3), m(3)),
    "pdist": lambda m: torch.pdist(m(3, 2)),
    "cdist": lambda m: torch.cdist(m(3, 2), m(4, 2)),
    "renorm": lambda m: torch.renorm(m(2, 3), 2, 0, 1.0),
    "logsumexp": lambda m: torch.logsumexp(m(2, 3), 1),
    "prod": lambda m: torch.prod(m(3)),
    "prod.dim_int": lambda m: torch.prod(m(2, 3), 1),
    "softmax": lambda m: torch.softmax(m(2, 3), 1),
    "log_softmax": lambda m: torch.log_softmax(m(2, 3), 1),
    "cumprod": lambda m: torch.cumprod(m(3), 0),
    "cumsum": lambda m: torch.cumsum(m(3), 0),
    "linalg_vector_norm": lambda m: torch.linalg.vector_norm(m(3)),
    "linalg_matrix_norm": lambda m: torch.linalg.matrix_norm(m(2, 3)),
    "linalg_matrix_norm.str": lambda m: torch.linalg.matrix_norm(m(2, 3), "fro"),
    "frobenius_norm": lambda m: torch.frobenius_norm(m(2, 3), (0, 1)),
    "nuclear_norm": lambda m: torch.nuclear_norm(m(2, 3)),
    "sum": lambda m: torch.sum(m(3)),
    "sum.dim": lambda m: torch.sum(m(2, 3), 1),
    "upsample_nearest1d": lambda m: F.interpolate(m(1, 2, 3), scale_factor=2),
    "upsample_nearest2d": lambda m: F.interpolate(m(1, 2, 3, 3), scale_factor=2),
    "upsample_nearest3d": lambda m: F.interpolate(m(1, 2, 3, 3, 3), scale_factor=2),
    "upsample_linear1d": lambda m: F.interpolate(m(1, 2, 3), scale_factor=2, mode="linear"),
    "upsample_bilinear2d": lambda m: F.interpolate(m(1, 2, 3, 3), scale_factor=2, mode="bilinear"),
    "upsample_bicubic2d": lambda m: F.interpolate(m(1, 2, 3, 3), scale_factor=2, mode="bicubic"),
    "upsample_trilinear3d": lambda m: F.interpolate(
        m(1, 2, 3, 3, 3), scale_factor=2, mode="trilinear"),
}

PROMOTE = {
    "addcdiv": lambda a, b: torch.addcdiv(a(3), b(3), b(3)),
    "addcmul": lambda a, b: torch.addcmul(a(3), b(3), b(3)),
    "atan2": lambda a, b: torch.atan2(a(3), b(3)),
    "bilinear": lambda a, b: F.bilinear(a(2, 3), b(2, 4), a(5, 3, 4), b(5)),
    "cross": lambda a, b: torch.cross(a(2, 3), b(2, 3), dim=1),
    "dot": lambda a, b: torch.dot(a(3), b(3)),
    "vdot": lambda a, b: torch.vdot(a(3), b(3)),
    "grid_sampler": lambda a, b: F.grid_sample(a(1, 2, 3, 3), b(1, 2, 2, 2), align_corners=False),
    "index_put": lambda a, b: torch.index_put(a(3), (labels(1),), b(1)),
    "tensordot": lambda a, b: torch.tensordot(a(2, 3), b(3, 2), 1),
    "scatter_add": lambda a, b: torch.scatter_add(a(3), 0, labels(2), b(2)),
}


@pytest.mark.parametrize("name", LOWER)
def test_runs_in_bfloat16(name):
    with torch.autocast(DEVICE):
        result = LOWER[name](f32)
    assert result.dtype == LOW and result.device.type == DEVICE


@pytest.mark.parametrize("name", FP32)
def test_runs_in_float32(name):
    with torch.autocast(DEVICE):
        result = FP32[name](low)
    assert result.dtype == FULL and result.device.type == DEVICE


@pytest.mark.parametrize("name", PROMOTE)
def test_runs_in_the_widest_type(name):
    with torch.autocast(DEVICE):
        if name in ("bilinear",):  # its product runs in the lower type again
            PROMOTE[name](low, f32)
            return
        assert PROMOTE[name](low, f32).dtype == FULL
        assert PROMOTE[name](low, low).dtype == LOW


def test_every_operator_of_cuda_autocast_is_registered():
    table = torch._C._dispatch_has_kernel_for_dispatch_key
    missing = [name for name in torch._C._dispatch_get_all_op_names()
               if name.startswith("aten::") and "cudnn" not in name
               and table(name, "AutocastCUDA") and not table(name, "AutocastPrivateUse1")]
    assert missing == []


def test_explicit_dtype_of_a_reduction_wins():
    with torch.autocast(DEVICE):
        assert torch.sum(low(3), dtype=torch.float64).dtype == torch.float64
        assert torch.softmax(low(2, 3), 1, dtype=LOW).dtype == LOW


def test_other_operators_and_other_devices_are_untouched():
    with torch.autocast(DEVICE):
        assert (f32(3) + f32(3)).dtype == FULL
        assert torch.mm(torch.rand(2, 2), torch.rand(2, 2)).dtype == FULL
        assert torch.mm(f32(2, 2).double(), f32(2, 2).double()).dtype == torch.float64
        ints = torch.ones(2, 2, dtype=torch.long, device=DEVICE)
        assert torch.mm(ints, ints).dtype == torch.long


def test_defaults_and_float16():
    assert torch.get_autocast_dtype(DEVICE) == LOW
    with torch.autocast(DEVICE, dtype=torch.float16):
        assert torch.mm(f32(2, 2), f32(2, 2)).dtype == torch.float16
    with torch.autocast(DEVICE):
        assert torch.is_autocast_enabled(DEVICE)
        assert torch.mm(f32(2, 2), f32(2, 2)).dtype == LOW
    assert not torch.is_autocast_enabled(DEVICE)


def test_default_is_bfloat16_on_every_thread():
    seen = []

    def work():
        with torch.autocast(DEVICE):
            seen.append(torch.mm(f32(2, 2), f32(2, 2)).dtype)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [LOW]


def test_nesting():
    a = f32(2, 2)
    with torch.autocast(DEVICE):
        assert (a @ a).dtype == LOW
        with torch.autocast(DEVICE, enabled=False):
            assert (a @ a).dtype == FULL
            with torch.autocast(DEVICE, dtype=torch.float16):
                assert (a @ a).dtype == torch.float16
        assert (a @ a).dtype == LOW
    assert (a @ a).dtype == FULL


def test_unsupported_dtype_warns_and_disables():
    with pytest.warns(UserWarning, match="not supported"):
        with torch.autocast(DEVICE, dtype=torch.float64):
            assert torch.mm(f32(2, 2), f32(2, 2)).dtype == FULL


def test_banned_loss_says_what_to_use():
    with torch.autocast(DEVICE), pytest.raises(RuntimeError, match="with_logits"):
        F.binary_cross_entropy(f32(3), f32(3))
    F.binary_cross_entropy(f32(3), f32(3))


def test_weight_is_cast_once_and_the_cache_ends_with_the_block():
    weight = torch.nn.Parameter(f32(4, 4))
    x = f32(2, 4)
    from torch.utils._python_dispatch import TorchDispatchMode

    class Casts(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten._to_copy.default and args[0].shape == (4, 4):
                Casts.count += 1
            return func(*args, **(kwargs or {}))

    with Casts(), torch.autocast(DEVICE):
        for _ in range(3):
            x @ weight
    assert Casts.count == 1
    with torch.no_grad():
        weight.fill_(0)
    with torch.autocast(DEVICE):
        assert (x @ weight).abs().max() == 0  # not the cast of the old value


def test_training_step_matches_cpu_autocast():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    twin = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    twin.load_state_dict(model.state_dict())
    twin.to(DEVICE)
    x, y = torch.randn(5, 8), torch.tensor([0, 1, 2, 0, 1])
    with torch.autocast("cpu", dtype=LOW):
        loss = F.cross_entropy(model(x), y)
    loss.backward()
    with torch.autocast(DEVICE):
        loss_device = F.cross_entropy(twin(x.to(DEVICE)), y.to(DEVICE))
    loss_device.backward()
    torch.testing.assert_close(loss_device.cpu(), loss, rtol=2e-2, atol=2e-2)
    for p, q in zip(model.parameters(), twin.parameters()):
        assert q.grad.dtype == FULL
        torch.testing.assert_close(q.grad.cpu(), p.grad, rtol=5e-2, atol=2e-2)


def test_custom_function():
    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type=DEVICE)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @torch.amp.custom_bwd(device_type=DEVICE)
        def backward(ctx, grad):
            a, b = ctx.saved_tensors
            dtypes.append((grad @ b.t()).dtype)
            return grad @ b.t(), a.t() @ grad

    class InFloat(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type=DEVICE, cast_inputs=FULL)
        def forward(ctx, a, b):
            return a @ b

    dtypes = []
    a, b = f32(2, 2).requires_grad_(), f32(2, 2).requires_grad_()
    with torch.autocast(DEVICE):
        out = Product.apply(a, b)
        assert out.dtype == LOW
        assert InFloat.apply(low(2, 2), low(2, 2)).dtype == FULL
    out.sum().backward()
    assert dtypes == [LOW] and a.grad.dtype == FULL


def test_grad_scaler_steps_skips_and_grows():
    model = torch.nn.Linear(4, 4).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler(DEVICE, init_scale=4.0, growth_interval=1)
    before = model.weight.detach().clone()
    with torch.autocast(DEVICE, dtype=torch.float16):
        loss = model(f32(2, 4)).float().sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    assert not torch.equal(before, model.weight) and scaler.get_scale() == 8.0

    after = model.weight.detach().clone()
    optimizer.zero_grad()
    scaler.scale(model(f32(2, 4)).sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(after, model.weight) and scaler.get_scale() == 4.0
    state = scaler.state_dict()
    scaler.load_state_dict(state)
