"""Scripts written for Intel Extension for PyTorch, with another import."""

import copy

import pytest
import torch
from torch import nn

import models
import torch_xpu_lite.ipex_compat as ipex


def close(actual, expected, tolerance):
    assert actual.device.type == "cpu" and actual.shape == expected.shape
    difference = (actual.float() - expected.float()).norm()
    assert float(difference) <= tolerance * float(expected.float().norm())


def test_resnet_in_float32():
    model, _ = models.resnet_tiny()
    model.eval()
    data = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(data)

    model = model.to(memory_format=torch.channels_last)
    data = data.to(memory_format=torch.channels_last)
    model = ipex.optimize(model)

    with torch.no_grad():
        for _ in range(2):
            close(model(data), expected, 1e-4)
    assert next(model.parameters()).device.type == "xpu_lite"


@pytest.mark.parametrize("dtype", ["default", "given"])
def test_bert_in_bfloat16(dtype):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(vocab_size=100, hidden_size=64, num_hidden_layers=2,
                                     num_attention_heads=4, intermediate_size=128)
    model = transformers.BertModel(config)
    model.eval()
    data = torch.randint(model.config.vocab_size, size=[2, 16])
    with torch.no_grad():
        expected = model(data)

    model = ipex.optimize(model, dtype=torch.bfloat16)

    arguments = {} if dtype == "default" else {"dtype": torch.bfloat16}
    with torch.no_grad(), torch.amp.autocast("cpu", **arguments):
        result = model(data)
    assert type(result) is type(expected)
    close(result.last_hidden_state, expected.last_hidden_state, 3e-2)
    close(result.pooler_output, expected.pooler_output, 5e-2)


def test_autocast_of_the_cpu_holds_without_dtype():
    model = ipex.optimize(nn.Sequential(nn.Linear(32, 32), nn.ReLU()).eval())
    with torch.no_grad():
        assert model(torch.randn(2, 32)).dtype == torch.float32
        with torch.autocast("cpu", torch.bfloat16):
            assert model(torch.randn(2, 32)).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_training(dtype):
    torch.manual_seed(0)
    reference = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))
    model = copy.deepcopy(reference)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (reference, model)]
    model.train()
    model, optimizer = ipex.optimize(model, optimizer=optimizers[1], dtype=dtype)
    criterion = nn.CrossEntropyLoss()
    data, target = torch.randn(16, 32), torch.randint(4, (16,))
    for _ in range(4):
        losses = []
        for m, o in ((reference, optimizers[0]), (model, optimizer)):
            o.zero_grad()
            loss = criterion(m(data).float(), target)
            loss.backward()
            o.step()
            losses.append(float(loss.detach()))
        assert losses[1] == pytest.approx(losses[0], rel=1e-4 if dtype is None else 5e-2)
    reference.load_state_dict(model.state_dict())


def test_generation_with_cpu_tensors():
    pytest.importorskip("transformers")
    model, batch = models.llama()
    model.eval()
    model.generation_config.pad_token_id = 0
    ids = batch["input_ids"][:1]
    options = {"max_new_tokens": 5, "do_sample": False, "attention_mask": torch.ones_like(ids)}
    expected = model.generate(ids, **options)
    optimized = ipex.llm.optimize(model)
    assert torch.equal(optimized.generate(ids, **options).cpu(), expected)


def test_static_quantization():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)).eval()
    data = torch.randn(8, 64)
    expected = model(data).detach()
    prepared = ipex.quantization.prepare(model, ipex.quantization.default_static_qconfig,
                                         example_inputs=data, inplace=False)
    with pytest.raises(ValueError, match="needs data"):
        ipex.quantization.convert(copy.deepcopy(prepared))
    with torch.no_grad():
        prepared(data)
        close(ipex.quantization.convert(prepared)(data), expected, 5e-2)
    with pytest.raises(ValueError, match="call quantization.prepare first"):
        ipex.quantization.convert(model)


def test_names():
    from torch_xpu_lite import runtime

    assert ipex.cpu.runtime.CPUPool is runtime.CPUPool
    with pytest.raises(AttributeError, match="docs/ipex.md"):
        ipex.not_a_name
    with pytest.raises(NotImplementedError, match="bfloat16"):
        ipex.set_fp32_math_mode(ipex.FP32MathMode.BF32)
    with pytest.warns(UserWarning, match="weights_prepack=False has no effect"):
        ipex.optimize(nn.Linear(2, 2).eval(), weights_prepack=False)
    with pytest.raises(ValueError, match="dtype must be"):
        ipex.optimize(nn.Linear(2, 2), dtype=torch.int8)
    with pytest.raises(TypeError, match="model must be"):
        ipex.optimize(3)
