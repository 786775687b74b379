"""Whole models: forward, backward and training steps equal to the CPU's."""

import copy

import models
import pytest
import torch
from twin import DEVICE, twin

SMALL = dict(models.SMALL)


def train(model, batch, device, steps=1, dtype=None, **options):
    """Losses, logits of the last step and gradients after training on `device`."""
    model = copy.deepcopy(model).to(device).train()
    batch = twin(batch, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, eps=1e-2, **options)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.autocast(device, dtype, enabled=dtype is not None):
            loss, logits = models.loss_of(model, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, logits.detach(), {n: p.grad for n, p in model.named_parameters()}, model


def close(actual, expected, tolerance, name):
    assert actual.device.type == torch.device(DEVICE).type, f"{name} is on {actual.device}"
    torch.testing.assert_close(actual.cpu(), expected, atol=tolerance, rtol=tolerance,
                               msg=lambda text: f"{name}: {text}")


@pytest.mark.parametrize("name", list(SMALL))
def test_forward_backward(name):
    model, batch = SMALL[name]()
    _, logits, gradients, _ = train(model, batch, "cpu")
    _, device_logits, device_gradients, _ = train(model, batch, DEVICE)
    close(device_logits, logits, 1e-4, "logits")
    assert gradients.keys() == device_gradients.keys()
    for key, gradient in gradients.items():
        if gradient is None:
            assert device_gradients[key] is None
        else:
            close(device_gradients[key], gradient, 2e-4, f"gradient of {key}")


@pytest.mark.parametrize("options", [{}, {"foreach": False}, {"fused": True}],
                         ids=["default", "plain", "fused"])
@pytest.mark.parametrize("name", list(SMALL))
def test_training_follows_the_cpu(name, options):
    model, batch = SMALL[name]()
    expected, *_ = train(model, batch, "cpu", steps=5, foreach=False)
    losses, *_ = train(model, batch, DEVICE, steps=5, **options)
    assert losses == pytest.approx(expected, rel=1e-3)
    assert losses[-1] < losses[0]


@pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no streams")
@pytest.mark.parametrize("options", [{}, {"fused": True}], ids=["default", "fused"])
@pytest.mark.parametrize("name", list(SMALL))
def test_training_on_a_side_stream(name, options):
    """Every operator goes through the queue of a stream with its own worker."""
    model, batch = SMALL[name]()
    expected, *_ = train(model, batch, "cpu", steps=3, foreach=False)
    with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
        losses, *_ = train(model, batch, DEVICE, steps=3, **options)
    assert losses == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", list(SMALL))
def test_inference(name):
    model, batch = SMALL[name]()
    model.eval()
    with torch.inference_mode():
        _, expected = models.loss_of(model, batch)
        _, logits = models.loss_of(copy.deepcopy(model).to(DEVICE), twin(batch))
    close(logits, expected, 1e-4, "logits")


@pytest.mark.parametrize("name", list(SMALL))
def test_autocast_trains(name):
    model, batch = SMALL[name]()
    losses, logits, gradients, _ = train(model, batch, DEVICE, steps=5, dtype=torch.bfloat16)
    assert losses[-1] < losses[0]
    assert all(g is None or g.dtype == torch.float32 for g in gradients.values())


def test_resnet50_forward_backward():
    model, batch = models.resnet50()
    model.eval()  # one image: batch statistics of the last stage would be ill-conditioned
    results = {}
    for device in ("cpu", DEVICE):
        twin_model, twin_batch = copy.deepcopy(model).to(device), twin(batch, device)
        loss, logits = models.loss_of(twin_model, twin_batch)
        loss.backward()
        results[device] = logits.detach().cpu(), twin_model.stem[0].weight.grad.cpu()
    for expected, actual in zip(results["cpu"], results[DEVICE]):
        scale = expected.abs().max()
        torch.testing.assert_close(actual / scale, expected / scale, atol=1e-4, rtol=1e-3)


def test_resnet_channels_last():
    model, batch = models.resnet_tiny()
    expected, logits, _, _ = train(model, batch, "cpu")
    model = model.to(memory_format=torch.channels_last)
    batch["images"] = batch["images"].to(memory_format=torch.channels_last)
    losses, device_logits, _, trained = train(model, batch, DEVICE)
    assert trained.stem[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert losses == pytest.approx(expected, rel=1e-4)
    close(device_logits, logits, 1e-4, "logits")


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_greedy_generation_with_a_cache(name):
    model, batch = SMALL[name]()
    model.eval()
    prompt = batch["input_ids"][:1, :5]
    options = {"max_new_tokens": 8, "do_sample": False, "use_cache": True, "pad_token_id": 0}
    expected = model.generate(prompt, **options)
    found = copy.deepcopy(model).to(DEVICE).generate(prompt.to(DEVICE), **options)
    assert found.device.type == torch.device(DEVICE).type
    assert found.cpu().tolist() == expected.tolist()


@pytest.mark.parametrize("name", list(SMALL))
def test_state_dict_moves_between_devices(name, tmp_path):
    model, batch = SMALL[name]()
    *_, trained = train(model, batch, DEVICE)
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    fresh, _ = SMALL[name]()
    fresh.load_state_dict(torch.load(tmp_path / "model.pt", map_location="cpu"))
    for key, value in trained.state_dict().items():
        assert torch.equal(value.cpu(), fresh.state_dict()[key]), key
