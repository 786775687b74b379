"""torch_xpu_lite.optimize: the same results, by fused operators, from unchanged parameters."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import models
import torch_xpu_lite
from torch_xpu_lite.optimization import compare, describe

DEVICE = "xpu_lite"


class Seen(TorchDispatchMode):
    """Counts the operators that run."""

    def __init__(self):
        super().__init__()
        self.counts = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        self.counts[name] = self.counts.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def operators(model, *args, **kwargs):
    """Counts of a call that is not the first: the first one compares."""
    model(*args, **kwargs)
    with Seen() as seen:
        model(*args, **kwargs)
    return seen.counts


def close(actual, expected, tolerance=2e-5):
    actual, expected = actual.detach().cpu().float(), expected.detach().cpu().float()
    assert actual.shape == expected.shape
    assert float((actual - expected).norm()) <= tolerance * max(float(expected.norm()), 1e-6)


def settle(model):
    """Running statistics that are not those of a new model."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias)
    return model.eval()


class Residual(nn.Module):
    """What follows the second layer is a sum, an activation and a product."""

    def __init__(self, width=64):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.drop, self.act = nn.Dropout(0.5), nn.GELU(approximate="tanh")

    def forward(self, x, scale):
        y = self.act(self.first(x))
        return torch.relu(self.drop(self.second(y)) + x) * scale


class Classifier(nn.Module):
    """`view` of a convolution's result: a format of its own would raise."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU(),
                                      nn.Conv2d(16, 16, 3, 2, bias=False), nn.BatchNorm2d(16),
                                      nn.ReLU(inplace=True))
        self.body = nn.Linear(16 * 7 * 7, 32)
        self.norm = nn.BatchNorm1d(32)

    def forward(self, x):
        return torch.relu(self.norm(self.body(self.features(x).view(x.size(0), -1))))


CASES = {
    "residual": (Residual, lambda: (torch.randn(3, 5, 64), torch.randn(3, 5, 64)),
                 {"xpu_lite::linear": 2}),
    "residual, scale broadcast": (Residual, lambda: (torch.randn(3, 5, 64), torch.randn(64)),
                                  {"xpu_lite::linear": 1}),
    "classifier": (Classifier, lambda: (torch.randn(2, 3, 16, 16),),
                   {"xpu_lite::convolution": 2, "xpu_lite::linear": 1, "aten::native_batch_norm": 0}),
    "pairs": (lambda: nn.Sequential(nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 64), nn.GELU(),
                                    nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU()),
              lambda: (torch.randn(7, 64),), {"xpu_lite::linear": 3}),
    "resnet": (lambda: models.resnet_tiny()[0], lambda: (torch.randn(2, 3, 64, 64),),
               {"xpu_lite::convolution": 17, "aten::relu": 0, "aten::add.Tensor": 0}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("moved", ["before", "after"])
def test_plain_models(case, moved):
    make, inputs, expected = CASES[case]
    torch.manual_seed(0)
    model, args = settle(make()), inputs()
    there = tuple(a.to(DEVICE) for a in args)
    if moved == "before":
        optimized = torch_xpu_lite.optimize(copy.deepcopy(model).to(DEVICE))
    else:
        optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        reference = model(*args)
        for _ in range(3):
            close(optimized(*there), reference)
    counts = operators(optimized, *there)
    for name, number in expected.items():
        assert counts.get(name, 0) >= number if number else name not in counts, counts
    with torch.no_grad():
        close(optimized.cpu()(*args), reference)  # elsewhere: the model's own forward


@pytest.mark.parametrize("name,fused", [("bert", 6), ("gpt2", 2), ("llama", 2)])
def test_models_of_transformers(name, fused):
    pytest.importorskip("transformers")
    model, batch = models.SMALL[name]()
    model.eval()
    optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    there = {k: v.to(DEVICE) for k, v in batch.items() if k != "labels"}
    here = {k: v for k, v in batch.items() if k != "labels"}
    with torch.no_grad():
        reference = model(**here).logits
        for _ in range(3):
            close(optimized(**there).logits, reference)
        hidden = optimized(**there, output_hidden_states=True).hidden_states
        for a, b in zip(hidden, model(**here, output_hidden_states=True).hidden_states):
            close(a, b)
    assert operators(optimized, **there)["xpu_lite::linear"] >= fused
    assert type(optimized) is type(model)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_generation(name):
    pytest.importorskip("transformers")
    model, batch = models.SMALL[name]()
    model.eval()
    model.generation_config.pad_token_id = 0
    ids = batch["input_ids"][:1]
    options = {"max_new_tokens": 6, "do_sample": False, "attention_mask": torch.ones_like(ids)}
    expected = model.generate(ids, **options)
    optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    options["attention_mask"] = options["attention_mask"].to(DEVICE)
    assert torch.equal(optimized.generate(ids.to(DEVICE), **options).cpu(), expected)


def test_low_precision_keeps_float32_parameters():
    pytest.importorskip("transformers")
    model, batch = models.bert()
    model.eval()
    there = {k: v.to(DEVICE) for k, v in batch.items() if k != "labels"}
    optimized = torch_xpu_lite.optimize(model, dtype=torch.bfloat16).to(DEVICE)
    with torch.no_grad():
        result = optimized(**there).logits
        assert result.dtype == torch.bfloat16
        close(result, model(**{k: v for k, v in batch.items() if k != "labels"}).logits, 3e-2)
    assert {p.dtype for p in optimized.parameters()} == {torch.float32}
    for name, value in optimized.state_dict().items():
        assert torch.equal(value.cpu(), model.state_dict()[name])


def test_state_dicts_of_both_load_into_the_other():
    model, x = settle(Classifier()), torch.randn(2, 3, 16, 16)
    optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    with torch.no_grad():
        optimized(x.to(DEVICE))
        assert list(optimized.state_dict()) == list(model.state_dict())
        original = settle(Classifier())
        original.load_state_dict(optimized.state_dict())
        close(original(x), model(x), 0)

        torch.manual_seed(5)
        other = settle(Classifier())
        nn.init.normal_(other.features[1].running_mean)
        nn.init.normal_(other.features[0].weight)
        optimized.load_state_dict(other.state_dict())
        close(optimized(x.to(DEVICE)), other(x))


WRITES = {
    "in place": lambda norm: norm.running_mean.add_(1),
    "data": lambda norm: norm.weight.data.mul_(2),
    "replaced": lambda norm: setattr(norm, "bias", nn.Parameter(norm.bias.detach() + 1)),
    "new data": lambda norm: setattr(norm.weight, "data", norm.weight.data * 3),
    "eps is not read again, variance is": lambda norm: norm.running_var.fill_(3),
}


@pytest.mark.parametrize("write", WRITES)
@torch.no_grad()
def test_a_written_weight_is_folded_again(write):
    model, x = settle(Classifier()), torch.randn(2, 3, 16, 16)
    optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    for _ in range(2):
        optimized(x.to(DEVICE))
    for side in (model, optimized):
        WRITES[write](side.features[1])
    close(optimized(x.to(DEVICE)), model(x))


def test_train_mode_and_gradients_run_the_model_itself():
    model, x = settle(Classifier()), torch.randn(4, 3, 16, 16)
    optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    with torch.no_grad():
        optimized(x.to(DEVICE))
    for train in (False, True):
        model.train(train), optimized.train(train)
        a, b = model(x), optimized(x.to(DEVICE))
        close(b, a)
        a.sum().backward(), b.sum().backward()
        for p, q in zip(model.parameters(), optimized.parameters()):
            close(q.grad, p.grad, 1e-3)
    close(optimized.features[1].running_mean, model.features[1].running_mean)
    model.eval(), optimized.eval()
    with torch.no_grad():  # the statistics have changed
        close(optimized(x.to(DEVICE)), model(x))


def test_copies_and_pickles():
    model, x = settle(Classifier()).to(DEVICE), torch.randn(2, 3, 16, 16).to(DEVICE)
    optimized = torch_xpu_lite.optimize(model, dtype=torch.bfloat16)
    with torch.no_grad():
        expected = optimized(x)
        file = io.BytesIO()
        torch.save(optimized, file)
        file.seek(0)
        for other in (copy.deepcopy(optimized), pickle.loads(pickle.dumps(optimized)),
                      torch.load(file, weights_only=False)):
            close(other(x), expected, 1e-2)
            assert operators(other, x)["xpu_lite::convolution"] == 2
            other.features[0].weight.zero_()
        close(optimized(x), expected, 1e-2)


def test_inplace():
    model = settle(Classifier())
    assert torch_xpu_lite.optimize(model) is not model
    assert "forward" not in model.__dict__
    assert torch_xpu_lite.optimize(model, inplace=True) is model
    assert describe(model)


def test_hooks_inside_are_called():
    model, x = settle(Classifier()).to(DEVICE), torch.randn(2, 3, 16, 16).to(DEVICE)
    optimized = torch_xpu_lite.optimize(model)
    with torch.no_grad():
        optimized(x)
        calls = []
        handle = optimized.features[0].register_forward_hook(lambda *_: calls.append(1))
        optimized(x)
        handle.remove()
        optimized(x)
    assert calls == [1]


class Isinstance(nn.Module):
    """Traces to something else than it does: the stand-ins are no tensors."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(32, 32)

    def forward(self, x):
        y = torch.relu(self.layer(x))
        return y * 2 if isinstance(x, torch.Tensor) else y


def test_a_wrong_trace_is_found_at_the_first_call():
    model, x = Isinstance().eval(), torch.randn(4, 32)
    optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    with torch.no_grad():
        with pytest.warns(UserWarning, match="Isinstance runs unfused"):
            close(optimized(x.to(DEVICE)), model(x))
        close(optimized(x.to(DEVICE)), model(x))


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(32, 32), []

    def forward(self, x):
        self.calls.append(1)
        return torch.relu(self.layer(x))


class WritesInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(32, 32)

    def forward(self, x):
        x += 1
        return torch.relu(self.layer(x))


def cancelling():
    """A batch norm that takes off a mean far larger than what is left: rounding to bfloat16
    before it takes a tenth of that."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU()).eval()
    images = 3 + torch.randn(2, 16, 12, 12)
    with torch.no_grad():
        model[0].weight.uniform_(0.05, 0.15)
        result = model[0](images)
        model[1].running_mean.copy_(result.mean((0, 2, 3)))
        model[1].running_var.copy_(result.var((0, 2, 3)))
    return model.to(DEVICE), images.to(DEVICE)


def test_both_far_apart_but_right_in_16_bits():
    model, images = cancelling()
    fused = torch_xpu_lite.optimize(model, dtype=torch.bfloat16)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error")
        exact = model(images)
        with torch.autocast(DEVICE):
            plain = model(images).float()
        result = fused(images).float()
    size = exact.norm()
    assert (plain - result).norm() > 0.06 * size  # not what the first call takes without a look
    assert (result - exact).norm() < 1.5 * (plain - exact).norm() < 0.3 * size


def test_what_is_wrong_is_not_taken_for_rounding():
    torch.manual_seed(0)
    exact = torch.randn(1000)
    expected = exact + 0.1 * torch.randn(1000)
    for noise, right in ((0.1, True), (0.2, False), (float("nan"), False)):
        actual = exact + noise * torch.randn(1000)
        assert compare.no_further_from((exact,), (expected,), (actual,)) == right
    assert not compare.no_further_from(exact, torch.zeros(1000), torch.zeros(1000))
    assert not compare.no_further_from((exact,), (expected,), [expected])


@pytest.mark.filterwarnings("ignore:.*runs unfused")
@pytest.mark.parametrize("make", [Stateful, WritesInput])
def test_side_effects_are_left_alone(make):
    model, x = make().eval(), torch.randn(4, 32)
    optimized = torch_xpu_lite.optimize(model).to(DEVICE)
    there = x.to(DEVICE)
    with torch.no_grad():
        for _ in range(2):
            close(optimized(there), model(x))
    close(there, x)
    if make is Stateful:
        assert len(optimized.calls) == 2


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, 1e-2),
    "adagrad": lambda p: torch.optim.Adagrad(p, 1e-2),
    "other": lambda p: torch.optim.RMSprop(p, 1e-2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training(name):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8)).to(DEVICE)
    optimizer = OPTIMIZERS[name](model.parameters())
    x, y = torch.randn(16, 32).to(DEVICE), torch.randn(16, 8).to(DEVICE)

    def step(model, optimizer):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x).float(), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    step(model, optimizer)  # state that the copy has to take over
    fast, fast_optimizer = torch_xpu_lite.optimize(model, optimizer)
    low, low_optimizer = torch_xpu_lite.optimize(model, optimizer, dtype=torch.bfloat16)
    assert fast_optimizer is not optimizer and type(fast_optimizer) is type(optimizer)
    if name != "other":
        assert fast_optimizer.param_groups[0]["fused"] is True
    for _ in range(4):
        expected = step(model, optimizer)
        assert step(fast, fast_optimizer) == pytest.approx(expected, rel=1e-4)
        assert step(low, low_optimizer) == pytest.approx(expected, rel=5e-2)
    for p, q in zip(model.parameters(), fast.parameters()):
        close(q, p, 1e-4)
    assert {p.dtype for p in low.parameters()} == {torch.float32}


def test_sample_input():
    model, x = settle(Classifier()).to(DEVICE), torch.randn(2, 3, 16, 16).to(DEVICE)
    for sample in (x, (x,), {"x": x}):
        optimized = torch_xpu_lite.optimize(model, sample_input=sample, dtype=torch.bfloat16)
        with torch.no_grad():
            close(optimized(x), model(x), 3e-2)


def test_level_0_fuses_nothing():
    model, x = settle(Classifier()).to(DEVICE), torch.randn(2, 3, 16, 16).to(DEVICE)
    optimized = torch_xpu_lite.optimize(model, level="O0")
    assert describe(optimized) == {}
    assert "xpu_lite::convolution" not in operators(optimized, x)


@pytest.mark.parametrize("arguments,error,text", [
    ({"model": 3}, TypeError, "model must be a torch.nn.Module, got int"),
    ({"level": "O2"}, ValueError, "level must be \"O0\" or \"O1\", got 'O2'"),
    ({"dtype": torch.int8}, ValueError, "dtype must be .* got torch.int8"),
    ({"optimizer": 3}, TypeError, "optimizer must be a torch.optim.Optimizer, got int"),
    ({"sample_input": 3}, TypeError, "sample_input must be .* got int"),
    ({"optimizer": torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1)}, ValueError,
     "none of the model's parameters"),
])
def test_bad_arguments(arguments, error, text):
    model = arguments.pop("model", nn.Linear(2, 2))
    with pytest.raises(error, match=text):
        torch_xpu_lite.optimize(model, **arguments)
    with pytest.raises(ValueError, match="was not returned by"):
        describe(nn.Linear(2, 2))


@pytest.mark.parametrize("name", ["bert", "resnet"])
@torch.no_grad()
def test_a_captured_model(name):
    pytest.importorskip("transformers")
    model, batch = models.SMALL[name]()
    settle(model)
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    there = {k: v.to(DEVICE) for k, v in inputs.items()}
    result = lambda output: getattr(output, "logits", output)  # noqa: E731
    optimized = torch_xpu_lite.optimize(model, graph=True).to(DEVICE)
    for _ in range(2):
        close(result(optimized(**there)), result(model(**inputs)))
    done = optimized.forward.done
    if name == "bert":
        assert done.count("3 linears") == 2 and done.count("linear+gelu") == 3
    else:
        assert done.count("convolution+batch_norm") == 17
    for side in (model, optimized):
        for parameter in side.parameters():
            parameter.mul_(1.01)
    close(result(optimized(**there)), result(model(**inputs)))
