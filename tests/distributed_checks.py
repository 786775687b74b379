"""What the ranks of test_ddp.py check beside DDP: sharded optimizers, SyncBatchNorm, data, objects."""

import copy

import pytest
import torch
import torch.distributed as dist
from ddp_checks import (Net, batch, gradients, loss_of, mine, network, reference_training, same,
                        same_everywhere, train, wrap)
from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel as DDP


def _steps(model, optimizer, me, steps, shard=True, first=0):
    for step in range(first, first + steps):
        data = batch(me, step)
        optimizer.zero_grad()
        loss_of(model, *(mine(me, *data) if shard else data)).backward()
        optimizer.step()


def check_zero_redundancy_optimizer(me):
    """The optimizer's state is shared out; the parameters become those of one process."""
    for optimizer, options in ((torch.optim.AdamW, {"lr": 0.01}),
                               (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
                               (torch.optim.AdamW, {"lr": 0.01, "fused": True})):
        for view in (False, True):
            reference = network(me)
            _steps(reference, optimizer(reference.parameters(), **options), me, 4, False)
            model = wrap(me)
            zero = ZeroRedundancyOptimizer(model.parameters(), optimizer_class=optimizer,
                                           parameters_as_bucket_view=view, **options)
            _steps(model, zero, me, 4)
            same(dict(model.module.named_parameters()), dict(reference.named_parameters()),
                 rtol=1e-3, atol=2e-5)
            same_everywhere(dict(model.module.named_parameters()))
    held = torch.tensor([len(zero.optim.state)], device=me.device)
    dist.all_reduce(held)
    assert held.item() == len(list(model.parameters()))  # each parameter at one rank only


def check_zero_redundancy_state_dict(me):
    """Gathered on one rank, loaded by another optimizer: training goes on alike."""
    def make(seed):
        model = wrap(me, seed=seed)
        return model, ZeroRedundancyOptimizer(model.parameters(), torch.optim.AdamW, lr=0.01)

    model, zero = make(1)
    _steps(model, zero, me, 2)
    zero.consolidate_state_dict(to=0)
    state = [copy.deepcopy(zero.state_dict()) if me.rank == 0 else None]
    dist.broadcast_object_list(state, src=0)
    other, second = make(5)
    other.load_state_dict(model.state_dict())
    second.load_state_dict(state[0])
    for m, o in ((model, zero), (other, second)):
        _steps(m, o, me, 2, first=2)
    same(dict(other.named_parameters()), dict(model.named_parameters()), rtol=1e-6, atol=1e-7)


def check_zero_redundancy_with_join(me):
    """Uneven inputs: ranks that have finished still broadcast their share."""
    from torch.distributed.algorithms.join import Join

    model = wrap(me)
    zero = ZeroRedundancyOptimizer(model.parameters(), torch.optim.SGD, lr=0.1)
    with Join([model, zero]):
        _steps(model, zero, me, 1 + me.rank)
    same_everywhere(dict(model.module.named_parameters()))


def check_zero_redundancy_overlapped_with_ddp(me):
    """The step of each bucket runs in DDP's hook."""
    from torch.distributed.algorithms.ddp_comm_hooks.ddp_zero_hook import hook_with_zero_step
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
    from torch.distributed.optim.utils import functional_optim_map  # noqa: F401

    if "gloo" in me.backend:
        pytest.skip("torch refuses it: it may hang over gloo")
    reference = network(me)
    optimizer = torch.optim.SGD(reference.parameters(), 0.1)
    model = wrap(me, static_graph=True)
    zero = ZeroRedundancyOptimizer(model.parameters(), torch.optim.SGD, overlap_with_ddp=True,
                                   lr=0.1)
    model.register_comm_hook(None, hook_with_zero_step(allreduce_hook, model, zero))
    warmup, steps = 3, 4  # the first steps only learn how the buckets lie
    for step in range(warmup + steps):
        model.zero_grad()
        loss_of(model, *mine(me, *batch(me, step))).backward()
        zero.step()
        if step >= warmup:
            optimizer.zero_grad()
            loss_of(reference, *batch(me, step)).backward()
            optimizer.step()
    same_everywhere(dict(model.module.named_parameters()))
    same(dict(model.module.named_parameters()), dict(reference.named_parameters()),
         rtol=1e-3, atol=1e-5)


class _Normed(nn.Module):
    def __init__(self, dims, channels=6):
        super().__init__()
        norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dims]
        self.norm, self.again = norm(channels), norm(channels, affine=False, momentum=None)

    def forward(self, x):
        return self.again(torch.tanh(self.norm(x)))


def _norm_case(me, dims, sizes, dtype=torch.float32, format=torch.contiguous_format,
               tolerance=None, group=None, members=None):
    """Compares SyncBatchNorm on this rank's rows with BatchNorm on the rows of all."""
    tolerance = tolerance or {"rtol": 1e-4, "atol": 1e-5}
    members = range(me.size) if members is None else members
    shape = (6, 5, 4, 3)[:dims + 1]
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(sum(sizes), *shape, generator=generator) * 3 + 1
    weight = torch.randn(sum(sizes), *shape, generator=generator)
    x, weight = x.to(me.device, dtype), weight.to(me.device, dtype)
    torch.manual_seed(4)
    alone = _Normed(dims).to(me.device)
    nn.init.uniform_(alone.norm.weight)
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(alone), group)
    first = sum(sizes[r] for r in members if r < me.rank)
    total = sum(sizes[r] for r in members)
    whole = x[:total].clone().to(memory_format=format).requires_grad_()
    expected = alone(whole)
    (expected * weight[:total]).sum().backward()
    rows = slice(first, first + sizes[me.rank])
    part = x[rows].clone().to(memory_format=format).requires_grad_()
    found = synced(part)
    (found * weight[rows]).sum().backward()
    torch.testing.assert_close(found, expected[rows], **tolerance)
    if sizes[me.rank]:  # of no rows, torch makes no gradient
        torch.testing.assert_close(part.grad, whole.grad[rows], **tolerance)
    # Gradients of the affine parameters stay local; DDP is who sums them.
    for name in ("weight", "bias"):
        local = getattr(synced.norm, name).grad
        local = torch.zeros_like(alone.norm.weight) if local is None else local.clone()
        dist.all_reduce(local, group=group)
        scale = {"rtol": tolerance["rtol"], "atol": tolerance["atol"] * 20}
        torch.testing.assert_close(local, getattr(alone.norm, name).grad, **scale)
    for buffer in ("running_mean", "running_var", "num_batches_tracked"):
        for layer in ("norm", "again"):
            torch.testing.assert_close(getattr(getattr(synced, layer), buffer),
                                       getattr(getattr(alone, layer), buffer), **tolerance)
    synced.eval(), alone.eval()
    with torch.no_grad():
        torch.testing.assert_close(synced(part), alone(whole)[rows], **tolerance)


def check_sync_batch_norm(me):
    if me.device == "cpu":
        pytest.skip("torch has SyncBatchNorm for accelerators only")
    even = [3] * me.size
    uneven = [1 + 2 * rank for rank in range(me.size)]
    for dims in (1, 2, 3):
        _norm_case(me, dims, even)
        _norm_case(me, dims, uneven)
    _norm_case(me, 2, uneven, format=torch.channels_last)
    for dtype, tolerance in ((torch.bfloat16, 5e-2), (torch.float16, 1e-2)):
        _norm_case(me, 2, even, dtype, tolerance={"rtol": tolerance, "atol": tolerance})


def check_sync_batch_norm_in_groups(me):
    """Statistics of half the ranks each."""
    if me.device == "cpu":
        pytest.skip("torch has SyncBatchNorm for accelerators only")
    half = me.size // 2
    groups = [dist.new_group(range(0, half)), dist.new_group(range(half, me.size))]
    which = me.rank // half
    _norm_case(me, 2, [4] * me.size, group=groups[which],
               members=range(which * half, (which + 1) * half))
    dist.destroy_process_group(groups[which])


def check_sync_batch_norm_with_a_rank_without_rows(me):
    if me.device == "cpu":
        pytest.skip("torch has SyncBatchNorm for accelerators only")
    _norm_case(me, 2, [4] * (me.size - 1) + [0])


class _WithNorm(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)


def check_sync_batch_norm_under_ddp(me):
    """A network with batch norm trains as in one process."""
    if me.device == "cpu":
        pytest.skip("torch has SyncBatchNorm for accelerators only")
    reference, losses = reference_training(me, 6, build=_WithNorm)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(network(me, 1, _WithNorm))
    model = DDP(model, bucket_cap_mb=0.002)
    found = train(model, me, 6)
    dist.all_reduce(found)
    torch.testing.assert_close(found / me.size, losses, rtol=1e-3, atol=1e-4)
    same(dict(model.module.named_parameters()), dict(reference.named_parameters()),
         rtol=5e-3, atol=1e-3)
    same(dict(model.module.named_buffers()), dict(reference.named_buffers()),
         rtol=1e-3, atol=1e-4)


def check_distributed_sampler_and_data_loader(me):
    """Together the ranks see every row once per epoch, pinned, in a new order each time."""
    from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

    data = TensorDataset(torch.arange(40), torch.arange(40) * 2.0)
    sampler = DistributedSampler(data, shuffle=True, seed=3)
    loader = DataLoader(data, batch_size=5, sampler=sampler,
                        pin_memory=me.device != "cpu")
    orders = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        seen = []
        for index, value in loader:
            index = index.to(me.device, non_blocking=True)
            value = value.to(me.device, non_blocking=True)
            assert torch.equal(index * 2.0, value)
            seen.append(index)
        seen = torch.cat(seen)
        parts = torch.empty(40, dtype=seen.dtype, device=me.device)
        dist.all_gather_into_tensor(parts, seen)
        assert sorted(parts.tolist()) == list(range(40))
        orders.append(parts.tolist())
    assert orders[0] != orders[1]


def check_object_collectives(me):
    rank, world = me.rank, me.size
    thing = {"rank": rank, "text": "x" * (1000 * rank + 1), "list": list(range(rank)),
             "tensor": torch.full((rank + 1,), float(rank))}

    def equal(found, who):
        assert found["rank"] == who and len(found["text"]) == 1000 * who + 1
        assert found["list"] == list(range(who))
        assert torch.equal(found["tensor"], torch.full((who + 1,), float(who)))

    gathered = [None] * world
    dist.all_gather_object(gathered, thing)
    for who in range(world):
        equal(gathered[who], who)
    last = world - 1
    gathered = [None] * world if rank == last else None
    dist.gather_object(thing, gathered, dst=last)
    if rank == last:
        for who in range(world):
            equal(gathered[who], who)
    objects = [thing, "more", rank] if rank == last else [None, None, None]
    dist.broadcast_object_list(objects, src=last)
    equal(objects[0], last)
    assert objects[1:] == ["more", last]
    out = [None]
    dist.scatter_object_list(out, [{"to": i} for i in range(world)] if rank == 0 else None, src=0)
    assert out == [{"to": rank}]
    if rank == 0:
        dist.send_object_list([thing, 7], dst=last)
    elif rank == last:
        objects = [None, None]
        dist.recv_object_list(objects, src=0)
        equal(objects[0], 0)
        assert objects[1] == 7
    on_device = [torch.full((3,), float(rank), device=me.device)] * 2
    dist.broadcast_object_list(on_device, src=0)
    assert on_device[0].device.type == me.device and not on_device[0].any()


def check_local_sgd(me):
    """Steps apart, then the mean of the models: torch's averagers."""
    from torch.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
    from torch.distributed.algorithms.model_averaging.utils import average_parameters
    from torch.distributed.optim import PostLocalSGDOptimizer

    model = network(me, 1 + me.rank)
    every = [network(me, 1 + rank) for rank in range(me.size)]
    average_parameters(model.parameters(), dist.group.WORLD)
    for name, p in model.named_parameters():
        mean = torch.stack([dict(m.named_parameters())[name] for m in every]).mean(0)
        torch.testing.assert_close(p, mean, rtol=1e-5, atol=1e-6)

    from torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook import (
        PostLocalSGDState, post_localSGD_hook)

    model = wrap(me)
    group = dist.new_subgroups_by_enumeration([[r] for r in range(me.size)])[0]
    model.register_comm_hook(PostLocalSGDState(None, group, start_localSGD_iter=2),
                             post_localSGD_hook)
    optimizer = PostLocalSGDOptimizer(
        torch.optim.SGD(model.parameters(), 0.1),
        PeriodicModelAverager(period=2, warmup_steps=2))
    for step in range(6):
        optimizer.zero_grad()
        loss_of(model, *mine(me, *batch(me, step))).backward()
        optimizer.step()
        weight = model.module.last.weight.detach()
        parts = [torch.empty_like(weight) for _ in range(me.size)]
        dist.all_gather(parts, weight)
        together = all(torch.equal(part, parts[0]) for part in parts)
        assert together == (step < 2 or step % 2 == 0), step


def check_gradient_clipping(me):
    """The norm is that of the mean gradient, the same on every rank."""
    alone = network(me)
    loss_of(alone, *batch(me)).backward()
    expected = nn.utils.clip_grad_norm_(alone.parameters(), 0.05)
    model = wrap(me)
    loss_of(model, *mine(me, *batch(me))).backward()
    found = nn.utils.clip_grad_norm_(model.parameters(), 0.05)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    same(gradients(model), gradients(alone))
    same_everywhere({"norm": found})
