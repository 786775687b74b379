"""Whole models on the SYCL engine: inference and training steps equal the CPU's, and no
operator falls back. Run with XPU_LITE_DEVICES naming a SYCL device, as opencl:cpu."""

import copy
import os

import models
import process
import pytest
import torch
from engine import sycl_only
from twin import twin

DEVICES = os.environ.get("XPU_LITE_DEVICES", "host")
pytestmark = sycl_only()
CASES = {"bert": models.bert, "gpt2": models.gpt2, "lstm": models.lstm_lm,
         "resnet": models.resnet_tiny}


@pytest.fixture(autouse=True)
def no_fallback():
    """Falling back is counted, not forbidden, so that a failure lists every operator."""
    torch.xpu_lite.reset_fallbacks()
    yield
    found = dict(torch.xpu_lite.fallbacks())
    assert not found, f"fell back: {found}"


def close(actual, expected, tolerance, name):
    assert actual.device.type == "xpu_lite", f"{name} is on {actual.device}"
    torch.testing.assert_close(actual.cpu(), expected, atol=tolerance, rtol=tolerance,
                               msg=lambda text: f"{name}: {text}")


def step(model, batch, device, dtype=None, **options):
    model, batch = copy.deepcopy(model).to(device).train(), twin(batch, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, eps=1e-2, **options)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast(device, dtype, enabled=dtype is not None):
            loss, logits = models.loss_of(model, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, logits.detach(), {n: p.grad for n, p in model.named_parameters()}


@pytest.mark.parametrize("name", list(CASES))
def test_inference(name):
    model, batch = CASES[name]()
    model.eval()
    with torch.inference_mode():
        _, expected = models.loss_of(model, batch)
        _, logits = models.loss_of(copy.deepcopy(model).to("xpu_lite"), twin(batch, "xpu_lite"))
    close(logits, expected, 1e-4, "logits")


@pytest.mark.parametrize("options", [{}, {"fused": True}], ids=["default", "fused"])
@pytest.mark.parametrize("name", list(CASES))
def test_training(name, options):
    model, batch = CASES[name]()
    losses, logits, gradients = step(model, batch, "cpu", foreach=False)
    found, device_logits, device_gradients = step(model, batch, "xpu_lite", **options)
    assert found == pytest.approx(losses, rel=1e-3)
    close(device_logits, logits, 2e-3, "logits")
    for key, gradient in gradients.items():
        assert (gradient is None) == (device_gradients[key] is None)
        if gradient is not None:
            close(device_gradients[key], gradient, 2e-3, f"gradient of {key}")


@pytest.mark.parametrize("name", list(CASES))
def test_training_in_bfloat16(name):
    model, batch = CASES[name]()
    losses, _, gradients = step(model, batch, "xpu_lite", dtype=torch.bfloat16)
    assert losses[-1] < losses[0]
    assert all(g is None or torch.isfinite(g).all() for g in gradients.values())


def test_resnet50():
    model, batch = models.resnet50()
    model.eval()  # one image: batch statistics of the last stage would be ill-conditioned
    results = {}
    for device in ("cpu", "xpu_lite"):
        there, moved = copy.deepcopy(model).to(device), twin(batch, device)
        loss, logits = models.loss_of(there, moved)
        loss.backward()
        results[device] = logits.detach().cpu(), there.stem[0].weight.grad.cpu()
    for expected, actual in zip(results["cpu"], results["xpu_lite"]):
        scale = expected.abs().max()
        torch.testing.assert_close(actual / scale, expected / scale, atol=1e-4, rtol=1e-3)


def test_dropout_trains_without_falling_back():
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
    layer = layer.to("xpu_lite").train()
    x = torch.randn(2, 10, 32, device="xpu_lite", requires_grad=True)
    layer(x).square().mean().backward()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


DDP = """
import os, sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

def rank(me, path):
    device = torch.device("xpu_lite", me)
    torch.xpu_lite.set_device(device)
    dist.init_process_group("xpulite", init_method=f"file://{path}", rank=me, world_size=2)
    torch.manual_seed(0)
    def build():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 4))
    model = DistributedDataParallel(build().to(device), device_ids=[me])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = torch.randn(8, 8), torch.randn(8, 4)
    torch.xpu_lite.reset_fallbacks()
    for _ in range(2):
        optimizer.zero_grad()
        part = slice(4 * me, 4 * me + 4)
        torch.nn.functional.mse_loss(model(x[part].to(device)), y[part].to(device)).backward()
        optimizer.step()
    found = dict(torch.xpu_lite.fallbacks())
    assert not found, f"fell back: {found}"
    alone = build()
    reference = torch.optim.SGD(alone.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        reference.zero_grad()
        torch.nn.functional.mse_loss(alone(x), y).backward()
        reference.step()
    for ours, theirs in zip(model.module.parameters(), alone.parameters()):
        torch.testing.assert_close(ours.detach().cpu(), theirs.detach(), atol=1e-5, rtol=1e-4)
    dist.destroy_process_group()
    print("rank", me, "done", flush=True)

if __name__ == "__main__":
    rank(int(os.environ["DDP_RANK"]), sys.argv[1])
"""


def test_ddp_step_of_two_sub_devices(tmp_path):
    import concurrent.futures

    selector = DEVICES.split(":")
    devices = ":".join(selector[:2]) + ":2"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = [pool.submit(process.run, DDP, str(tmp_path / "store"), timeout=120,
                               XPU_LITE_DEVICES=devices, DDP_RANK=str(rank))
                   for rank in range(2)]
    for rank, result in enumerate(results):
        done = result.result()
        assert done.returncode == 0, f"rank {rank}: {done.stdout}\n{done.stderr[-3000:]}"
