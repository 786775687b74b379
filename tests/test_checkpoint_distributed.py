"""torch.distributed.checkpoint: written by four ranks, read by two, one, or four."""

import copy
import os

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.nn.functional as F
from ranks import Ranks
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

STEPS = 2


@pytest.fixture(scope="module")
def four():
    with Ranks(4, init=True) as ranks:
        yield ranks


@pytest.fixture(scope="module")
def two():
    with Ranks(2, init=True) as ranks:
        yield ranks


class Network(nn.Module):
    """Sizes that divide neither by 4 nor by 2."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 9)
        self.hidden = nn.Linear(9, 7)
        self.last = nn.Linear(7, 3)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x):
        return self.last(F.gelu(self.hidden(F.gelu(self.first(x)))))


def make(seed):
    torch.manual_seed(seed)
    return Network()


def sharded(me, seed):
    model = make(seed).to(me.device)
    mesh = init_device_mesh(me.device, (me.size,))
    for layer in (model.first, model.hidden):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model, torch.optim.AdamW(model.parameters(), lr=1e-2)


def train(model, optimizer, device, steps=STEPS):
    """The same batch on every rank, so that the number of ranks does not matter."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(8, 6, generator=generator).to(device)
    y = torch.randn(8, 3, generator=generator).to(device)
    for _ in range(steps):
        F.mse_loss(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.steps += steps


def whole(model):
    return {name: (p.full_tensor() if isinstance(p, DTensor) else p).detach().cpu().clone()
            for name, p in [*model.named_parameters(), *model.named_buffers()]}


def same(actual, expected, **limits):
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], **limits)


def save(me, folder, how):
    """What was saved, and what two more steps made of it."""
    model, optimizer = sharded(me, seed=0)
    train(model, optimizer, me.device)
    model_state, optim_state = get_state_dict(model, optimizer)
    state = {"model": model_state, "optimizer": optim_state, "epoch": 5,
             "text": "plain objects, too", "replicated": torch.arange(6, device=me.device)}
    if how == "async":
        # What training does meanwhile must not be in the files. The thread that writes
        # them has a group of its own: two threads would mix the order of one group.
        future = dcp.async_save(
            state, checkpoint_id=folder, process_group=dist.new_group(list(range(me.size))))
        saved = whole(model)
        train(model, optimizer, me.device)
        future.result()
        return saved, whole(model)
    dcp.save(state, checkpoint_id=folder)
    saved = whole(model)
    train(model, optimizer, me.device)
    return saved, whole(model)


def load(me, folder):
    """What was loaded, and what two more steps made of it."""
    model, optimizer = sharded(me, seed=1)
    model_state, optim_state = get_state_dict(model, optimizer)
    state = {"model": model_state, "optimizer": optim_state, "epoch": 0, "text": "",
             "replicated": torch.zeros(6, dtype=torch.int64, device=me.device)}
    dcp.load(state, checkpoint_id=folder)
    set_state_dict(model, optimizer, model_state_dict=state["model"],
                   optim_state_dict=state["optimizer"])
    assert state["epoch"] == 5 and state["text"] == "plain objects, too"
    assert state["replicated"].tolist() == list(range(6))
    assert state["replicated"].device.type == torch.device(me.device).type
    loaded = whole(model)
    train(model, optimizer, me.device)
    return loaded, whole(model)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_four_save_and_others_load(four, two, tmp_path, how):
    folder = str(tmp_path / "checkpoint")
    saved, trained = four.run(save, folder, how)[0]
    assert len([f for f in os.listdir(folder) if f.endswith(".distcp")]) >= 2
    for ranks in (two, four):
        loaded, went_on = ranks.run(load, folder)[0]
        same(loaded, saved, rtol=0, atol=0)
        same(went_on, trained, rtol=1e-5, atol=1e-6)
    with Ranks(1, init=True) as one:
        loaded, went_on = one.run(load, folder)[0]
        same(loaded, saved, rtol=0, atol=0)
        same(went_on, trained, rtol=1e-5, atol=1e-6)


def load_plain(me, folder):
    """One process without groups reads it into an ordinary model."""
    model = make(seed=1)
    state = {"model": model.state_dict()}
    dcp.load(state, checkpoint_id=folder, no_dist=True)
    model.load_state_dict(state["model"])
    return whole(model)


def test_ordinary_process_loads(four, tmp_path):
    folder = str(tmp_path / "checkpoint")
    saved, _ = four.run(save, folder, "sync")[0]
    with Ranks(1) as alone:
        same(alone.run(load_plain, folder)[0], saved, rtol=0, atol=0)


def save_tensors(me, folder):
    mesh = init_device_mesh(me.device, (2, 2), mesh_dim_names=("a", "b"))
    values = torch.arange(11 * 6, dtype=torch.float32).view(11, 6).to(me.device)
    dcp.save({
        "rows": distribute_tensor(values, mesh["a"], [Shard(0)]),
        "both": distribute_tensor(values, mesh, [Shard(0), Shard(1)]),
        "replicated": distribute_tensor(values, mesh, [Replicate(), Replicate()]),
        "low": distribute_tensor(values.bfloat16(), mesh, [Shard(1), Replicate()]),
    }, checkpoint_id=folder)


def load_tensors(me, folder):
    """With other placements on another mesh."""
    mesh = init_device_mesh(me.device, (me.size,))
    values = torch.arange(11 * 6, dtype=torch.float32).view(11, 6)

    def empty(placement, dtype=torch.float32):
        return distribute_tensor(
            torch.zeros(11, 6, dtype=dtype, device=me.device), mesh, [placement])

    state = {"rows": empty(Shard(1)), "both": empty(Shard(0)), "replicated": empty(Shard(0)),
             "low": empty(Replicate(), torch.bfloat16)}
    dcp.load(state, checkpoint_id=folder)
    for name, tensor in state.items():
        assert tensor.device.type == torch.device(me.device).type
        assert torch.equal(tensor.full_tensor().cpu().float(), values), name


def test_dtensors_are_resharded(four, two, tmp_path):
    folder = str(tmp_path / "tensors")
    four.run(save_tensors, folder)
    two.run(load_tensors, folder)
    four.run(load_tensors, folder)


def options(me, folder):
    model, optimizer = sharded(me, seed=0)
    train(model, optimizer, me.device)
    full = get_model_state_dict(
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if me.rank == 0:
        torch.save(full, f"{folder}/full.pt")
    dist.barrier()
    loaded = torch.load(f"{folder}/full.pt") if me.rank == 0 else {}
    other, _ = sharded(me, seed=1)
    set_model_state_dict(other, loaded, options=StateDictOptions(
        full_state_dict=True, broadcast_from_rank0=True))
    same(whole(other), whole(model), rtol=0, atol=0)
    # DDP's state has the names of the bare module.
    bare = make(seed=2).to(me.device)
    wrapped = nn.parallel.DistributedDataParallel(copy.deepcopy(bare))
    assert get_model_state_dict(wrapped).keys() == bare.state_dict().keys()


def test_state_dict_options(two, tmp_path):
    two.run(options, str(tmp_path))


def broken_checkpoint(me, folder):
    """A rank that fails to read tells all."""
    model, _ = sharded(me, seed=0)
    state = {"model": get_model_state_dict(model)}
    dcp.save(state, checkpoint_id=folder)
    dist.barrier()
    if me.rank == 0:
        for name in os.listdir(folder):
            if name.endswith(".distcp"):
                os.remove(f"{folder}/{name}")
    dist.barrier()
    with pytest.raises(dcp.api.CheckpointException):
        dcp.load(state, checkpoint_id=folder)
    dist.barrier()


def test_missing_files_are_an_error_on_all_ranks(two, tmp_path):
    two.run(broken_checkpoint, str(tmp_path / "broken"))
