"""Random programs over several streams give what the CPU gives, run after run."""

import random

import pytest
import torch
from twin import DEVICE

pytestmark = pytest.mark.skipif(DEVICE == "cpu", reason="the CPU has no streams")

STEPS = {
    "add": lambda t, i, j, k: t[i] + t[j],
    "product": lambda t, i, j, k: (t[i] * t[j]).tanh(),
    "temporaries": lambda t, i, j, k: ((t[i].exp().clamp(max=5) + t[j]) * 0.3).relu() - 0.5,
    "in place": lambda t, i, j, k: t[k].mul_(0.5).add_(t[i], alpha=0.1),
    "reduce": lambda t, i, j, k: t[i] - t[j].mean(),
    "cat": lambda t, i, j, k: torch.cat([t[i][::2], t[j][1::2]]),
    "write a view": lambda t, i, j, k: t[k][::2].copy_(t[i][::2]).sum() + t[k],
    "matmul": lambda t, i, j, k: (t[i][:3, None] @ t[j][None, :3]).sum() * 0.01 + t[i],
    "index": lambda t, i, j, k: t[i][torch.arange(len(t[i]) - 1, -1, -1, device=t[i].device)],
    "normalize": lambda t, i, j, k: torch.nn.functional.normalize(t[i], dim=0) + t[j],
    "looks at data": lambda t, i, j, k: t[i] + float(t[j].max() > 0),
    "sizes from data": lambda t, i, j, k: t[i] * len(t[j].nonzero()) / len(t[j]),
}


@pytest.mark.parametrize("seed", range(8))
def test_random_program(seed):
    """Four tensors, five streams, 150 steps; events order what depends on each other."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    size = rng.choice([4, 1000, 70000])
    on_cpu = [torch.randn(size) for _ in range(4)]
    on_device = [t.to(DEVICE) for t in on_cpu]
    cores = [0] if torch.xpu_lite.supports("core_sets") else None
    streams = [torch.xpu_lite.default_stream(), torch.xpu_lite.Stream(),
               torch.xpu_lite.Stream(cores=cores), torch.xpu_lite.Stream(priority=-1),
               torch.xpu_lite.Stream()]
    touched = [None] * 4  # the event after the last use of each tensor
    torch.xpu_lite.synchronize()
    for _ in range(150):
        name, stream = rng.choice(list(STEPS)), rng.choice(streams)
        i, j, k = (rng.randrange(4) for _ in range(3))
        on_cpu[k] = STEPS[name](on_cpu, i, j, k).tanh()
        with torch.xpu_lite.stream(stream):
            for event in {touched[n] for n in (i, j, k)} - {None}:
                stream.wait_event(event)
            result = STEPS[name](on_device, i, j, k).tanh()
            for n in (i, j, k):
                on_device[n].record_stream(stream)
            on_device[k] = result
            event = stream.record_event()
        touched[i] = touched[j] = touched[k] = event
    torch.xpu_lite.synchronize()
    for expected, found in zip(on_cpu, on_device):
        torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-3)


def test_threads_with_a_stream_each():
    """Python threads queue on streams of their own at once."""
    from concurrent.futures import ThreadPoolExecutor

    def work(seed):
        stream = torch.xpu_lite.Stream()
        with torch.xpu_lite.stream(stream):
            x = torch.full((1000,), 1.0 + seed, device=DEVICE, requires_grad=True)
            for _ in range(20):
                loss = (x * x).sum()
                (gradient,) = torch.autograd.grad(loss, x)
                x = (x - 0.1 * gradient).detach().requires_grad_()
            return x.detach().cpu()

    with ThreadPoolExecutor(4) as pool:
        for seed, result in enumerate(pool.map(work, range(8))):
            torch.testing.assert_close(result, torch.full((1000,), (1.0 + seed) * 0.8 ** 20))


def test_storage_is_resized_behind_queued_work():
    # What FSDP does with a gathered parameter: used on a stream, then given back at once.
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        for size in (0, 4):
            x = torch.ones(1000, device="xpu_lite")
            y = torch.zeros(1000, device="xpu_lite")
            torch.xpu_lite._sleep(20_000_000)
            y.copy_(x)
            z = x + 1
            x.untyped_storage().resize_(size)
            stream.synchronize()
            assert (y == 1).all() and (z == 2).all()
