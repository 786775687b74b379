"""Pipeline parallelism: every schedule gives the gradients of the sequential model."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from ranks import Ranks
from torch import nn
from torch.distributed.pipelining import (
    PipelineStage,
    Schedule1F1B,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleInterleavedZeroBubble,
    ScheduleLoopedBFS,
    SplitPoint,
    pipeline,
)

MICROBATCHES = 4
BATCH = 8
SIZE = 6


@pytest.fixture(scope="module", params=[2, 4], ids="{}-stages".format)
def ranks(request):
    with Ranks(request.param, init=True) as ranks:
        yield ranks


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(SIZE, SIZE)
        self.norm = nn.LayerNorm(SIZE)

    def forward(self, x):
        return x + F.gelu(self.norm(self.linear(x)))


class Network(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def setting(layers):
    torch.manual_seed(0)
    model = Network(layers)
    return model, torch.randn(BATCH, SIZE), torch.randn(BATCH, SIZE)


def close(actual, expected):
    torch.testing.assert_close(actual.detach().cpu(), expected.detach(), rtol=1e-4, atol=1e-5)


def loss_of(output, target):
    return F.mse_loss(output, target)


def sequential(model, x, target):
    """Outputs, mean loss and gradients: the mean over microbatches is the batch's."""
    output = model(x)
    loss = F.mse_loss(output, target)
    loss.backward()
    return output, loss


def check_gradients(part, names, reference):
    for name, layer in zip(names, part, strict=True):
        for p, q in zip(layer.parameters(), reference.layers[name].parameters(), strict=True):
            close(p.grad, q.grad)


def one_stage_each(me, schedule):
    """Two layers a stage, one stage a rank; three steps with an optimizer."""
    reference, x, target = setting(2 * me.size)
    numbers = [2 * me.rank, 2 * me.rank + 1]
    part = nn.Sequential(*(copy.deepcopy(reference.layers[n]) for n in numbers)).to(me.device)
    device = torch.device(me.device)
    stage = PipelineStage(part, me.rank, me.size, device)
    runner = {"GPipe": ScheduleGPipe, "1F1B": Schedule1F1B}[schedule](
        stage, n_microbatches=MICROBATCHES, loss_fn=loss_of)
    optimizer = torch.optim.SGD(part.parameters(), lr=0.1)
    reference_optimizer = torch.optim.SGD(reference.parameters(), lr=0.1)
    for _ in range(3):
        losses = []
        if me.rank == 0:
            output = runner.step(x.to(device))
        elif me.rank == me.size - 1:
            output = runner.step(target=target.to(device), losses=losses)
        else:
            output = runner.step()
        expected, loss = sequential(reference, x, target)
        if me.rank == me.size - 1:
            close(output, expected)
            close(torch.stack(losses).mean(), loss)
        check_gradients(part, numbers, reference)
        for optim in (optimizer, reference_optimizer):
            optim.step()
            optim.zero_grad()


@pytest.mark.parametrize("schedule", ["GPipe", "1F1B"])
def test_one_stage_each(ranks, schedule):
    ranks.run(one_stage_each, schedule)


def two_stages_each(me, schedule):
    """Stage s lives on rank s % size: activations pass every rank twice."""
    stages = 2 * me.size
    reference, x, target = setting(stages)
    numbers = [me.rank, me.rank + me.size]
    parts = [nn.Sequential(copy.deepcopy(reference.layers[n])).to(me.device) for n in numbers]
    device = torch.device(me.device)
    runner = {
        "Interleaved1F1B": ScheduleInterleaved1F1B, "LoopedBFS": ScheduleLoopedBFS,
        "InterleavedZeroBubble": ScheduleInterleavedZeroBubble,
    }[schedule](
        [PipelineStage(part, n, stages, device) for part, n in zip(parts, numbers)],
        n_microbatches=MICROBATCHES, loss_fn=loss_of)
    losses = []
    arguments = (x.to(device),) if me.rank == 0 else ()
    options = {}
    if me.rank == me.size - 1:
        options = dict(target=target.to(device), losses=losses)
    output = runner.step(*arguments, **options)
    expected, loss = sequential(reference, x, target)
    if me.rank == me.size - 1:
        close(output, expected)
        close(torch.stack(losses).mean(), loss)
    for part, number in zip(parts, numbers):
        check_gradients(part, [number], reference)


@pytest.mark.parametrize("schedule", ["Interleaved1F1B", "LoopedBFS", "InterleavedZeroBubble"])
def test_two_stages_each(ranks, schedule):
    ranks.run(two_stages_each, schedule)


def inference(me):
    reference, x, _ = setting(me.size)
    part = copy.deepcopy(reference.layers[me.rank]).to(me.device)
    stage = PipelineStage(part, me.rank, me.size, torch.device(me.device))
    runner = ScheduleGPipe(stage, n_microbatches=MICROBATCHES)
    with torch.no_grad():
        output = runner.eval(x.to(me.device)) if me.rank == 0 else runner.eval()
    if me.rank == me.size - 1:
        close(output, reference(x))


def test_inference(ranks):
    ranks.run(inference)


def traced(me):
    """A whole model, cut by `pipeline` at named modules."""
    reference, x, target = setting(me.size)
    model = copy.deepcopy(reference).to(me.device)
    pipe = pipeline(
        model, mb_args=(x.to(me.device).chunk(MICROBATCHES)[0],),
        split_spec={f"layers.{n}": SplitPoint.BEGINNING for n in range(1, me.size)})
    assert pipe.num_stages == me.size
    stage = pipe.build_stage(me.rank, torch.device(me.device))
    runner = Schedule1F1B(stage, n_microbatches=MICROBATCHES, loss_fn=loss_of)
    if me.rank == 0:
        runner.step(x.to(me.device))
    elif me.rank == me.size - 1:
        close(runner.step(target=target.to(me.device)), reference(x))
    else:
        runner.step()
    sequential(reference, x, target)
    for name, p in stage.submod.named_parameters():
        close(p.grad, reference.get_parameter(name).grad)


def test_traced_pipeline(ranks):
    ranks.run(traced)


def with_data_parallel(me):
    """Two pipelines of two stages; the gradients of a stage meet in DDP."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.nn.parallel import DistributedDataParallel

    mesh = init_device_mesh(me.device, (2, 2), mesh_dim_names=("data", "pipe"))
    pipe_rank = mesh["pipe"].get_local_rank()
    reference, x, target = setting(2)
    x, target = torch.cat([x, x + 1]), torch.cat([target, target - 1])
    half = slice(BATCH * (me.rank // 2), BATCH * (me.rank // 2 + 1))
    part = DistributedDataParallel(
        copy.deepcopy(reference.layers[pipe_rank]).to(me.device),
        process_group=mesh["data"].get_group())
    stage = PipelineStage(part, pipe_rank, 2, torch.device(me.device),
                          group=mesh["pipe"].get_group())
    runner = Schedule1F1B(stage, n_microbatches=MICROBATCHES, loss_fn=loss_of)
    if pipe_rank == 0:
        runner.step(x[half].to(me.device))
    else:
        runner.step(target=target[half].to(me.device))
    sequential(reference, x, target)
    check_gradients([part.module], [pipe_rank], reference)
    dist.barrier()


def test_pipelines_with_data_parallel():
    with Ranks(4, init=True) as ranks:
        ranks.run(with_data_parallel)
