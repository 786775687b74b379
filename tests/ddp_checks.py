"""What the ranks of test_ddp.py check: DistributedDataParallel against one process.

Every rank knows the whole batch, so it computes what one process would and compares.
"""

import contextlib
import copy
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook
from torch.nn.parallel import DistributedDataParallel as DDP

ROWS = 12  # of the whole batch; every world divides it


class Net(nn.Module):
    """Some layers of different sizes, so that small buckets hold several, and not all."""

    def __init__(self, width=24):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.first = nn.Linear(4 * 36, width)
        self.second = nn.Linear(width, width, bias=False)
        self.last = nn.Linear(width, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x))).flatten(1)
        x = torch.tanh(self.first(x))
        return self.last(torch.sigmoid(self.second(x)) + x)


def network(me, seed=1, build=Net, dtype=None):
    torch.manual_seed(seed)
    return build().to(device=me.device, dtype=dtype)


def batch(me, step=0, dtype=None):
    generator = torch.Generator().manual_seed(100 + step)
    x = torch.randn(ROWS, 1, 6, 6, generator=generator)
    y = torch.randint(0, 5, (ROWS,), generator=generator)
    return x.to(device=me.device, dtype=dtype), y.to(me.device)


def mine(me, *tensors):
    """This rank's rows."""
    rows = slice(me.rank, None, me.size)
    return tuple(tensor[rows] for tensor in tensors)


def loss_of(model, x, y):
    return F.cross_entropy(model(x).float(), y)


def gradients(model):
    return {name.removeprefix("module."): p.grad for name, p in model.named_parameters()}


def same(actual, expected, **tolerance):
    """Two dicts of tensors are close, names and Nones included."""
    tolerance = tolerance or {"rtol": 1e-4, "atol": 1e-6}
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        if value is None:
            assert actual[name] is None, name
            continue
        assert actual[name] is not None, f"{name} has no gradient"
        torch.testing.assert_close(actual[name], value, **tolerance,
                                   msg=lambda text, name=name: f"{name}: {text}")


def same_everywhere(tensors):
    """The same bits on every rank."""
    for name, tensor in tensors.items():
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor.detach().contiguous())
        for rank, part in enumerate(parts):
            assert torch.equal(part, tensor), f"{name} differs on rank {rank}"


def expected_gradients(me, steps=(0,), build=Net, forward=loss_of, dtype=None):
    """Gradients of one process over the whole batch, summed over the steps."""
    model = network(me, build=build, dtype=dtype)
    for step in steps:
        forward(model, *batch(me, step, dtype)).backward()
    return gradients(model)


def wrap(me, build=Net, dtype=None, seed=None, **options):
    """A DDP model. Ranks start apart: the constructor has to send rank 0's values."""
    seed = 1 + 10 * me.rank if seed is None else seed
    options.setdefault("bucket_cap_mb", 0.002)  # some 500 floats: several buckets
    return DDP(network(me, seed, build, dtype), **options)


def train(model, me, steps, forward=loss_of, shard=True, lr=0.1, momentum=0.9):
    """Losses of some SGD steps."""
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=momentum)
    losses = []
    for step in range(steps):
        data = batch(me, step % 3)
        loss = forward(model, *(mine(me, *data) if shard else data))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().clone())
    return torch.stack(losses)


def reference_training(me, steps, **options):
    model = network(me, **options)
    losses = train(model, me, steps, shard=False)
    return model, losses


def check_gradients_equal_one_process(me):
    expected = expected_gradients(me)
    for options in ({}, {"gradient_as_bucket_view": True}, {"bucket_cap_mb": 25},
                    {"forward_sync_buffers": False}):
        model = wrap(me, **options)
        for _ in range(3):  # buckets are rebuilt after the first
            model.zero_grad()
            loss_of(model, *mine(me, *batch(me))).backward()
            same(gradients(model), expected)
        same_everywhere(gradients(model))


def check_training_equals_one_process(me):
    reference, losses = reference_training(me, 8)
    for options in ({}, {"gradient_as_bucket_view": True}, {"static_graph": True}):
        model = wrap(me, **options)
        found = train(model, me, 8)
        dist.all_reduce(found)
        torch.testing.assert_close(found / me.size, losses, rtol=1e-4, atol=1e-5)
        same(dict(model.module.named_parameters()), dict(reference.named_parameters()),
             rtol=1e-3, atol=1e-5)
        same_everywhere(dict(model.module.named_parameters()))


def check_gradients_are_views_of_buckets(me):
    def storages(view):
        model = wrap(me, bucket_cap_mb=25, gradient_as_bucket_view=view)
        for _ in range(2):
            model.zero_grad()
            loss_of(model, *mine(me, *batch(me))).backward()
        return {p.grad.untyped_storage().data_ptr() for p in model.parameters()}

    apart, together = storages(False), storages(True)
    assert len(together) == 1 < len(apart)


def check_no_sync_keeps_gradients_local(me):
    model = wrap(me)
    with model.no_sync():
        loss_of(model, *mine(me, *batch(me))).backward()
    alone = network(me)
    loss_of(alone, *mine(me, *batch(me))).backward()
    same(gradients(model), gradients(alone))


def check_gradient_accumulation(me):
    expected = expected_gradients(me, steps=(0, 1, 2))
    for view in (False, True):
        model = wrap(me, gradient_as_bucket_view=view)
        for _ in range(2):
            model.zero_grad()
            for step in range(3):
                last = step == 2
                with contextlib.nullcontext() if last else model.no_sync():
                    loss_of(model, *mine(me, *batch(me, step))).backward()
            same(gradients(model), expected)


def check_two_backwards_without_zero_grad(me):
    expected = expected_gradients(me, steps=(0, 1))
    model = wrap(me)
    for step in range(2):
        loss_of(model, *mine(me, *batch(me, step))).backward()
    same(gradients(model), expected)


class Branches(nn.Module):
    """`choice` picks one of two layers; a third is never used."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(36, 8)
        self.left, self.right = nn.Linear(8, 5), nn.Linear(8, 5)
        self.never = nn.Linear(8, 5)

    def forward(self, x, choice):
        return (self.left, self.right)[choice](self.stem(x.flatten(1)))


def check_find_unused_parameters(me):
    """A layer used by some ranks gets the mean over all; one used by none, no gradient."""
    model = wrap(me, build=Branches, find_unused_parameters=True)
    alone = network(me, build=Branches)
    for choose in (lambda rank: rank % 2, lambda rank: 0):
        for m in (model, alone):
            m.zero_grad()
        x, y = mine(me, *batch(me))
        F.cross_entropy(model(x, choose(me.rank)), y).backward()
        for rank in range(me.size):
            x, y = (t[rank::me.size] for t in batch(me))
            (F.cross_entropy(alone(x, choose(rank)), y) / me.size).backward()
        same(gradients(model), gradients(alone))
        assert model.module.never.weight.grad is None


def check_unused_parameter_without_the_flag_is_an_error(me):
    model = wrap(me, build=Branches)
    x, y = mine(me, *batch(me))
    F.cross_entropy(model(x, 0), y).backward()
    with pytest.raises(RuntimeError, match="find_unused_parameters=True"):
        model(x, 0)


def check_static_graph_with_unused_parameters(me):
    model = wrap(me, build=Branches, static_graph=True)
    alone = network(me, build=Branches)
    for step in range(3):
        for m in (model, alone):
            m.zero_grad()
        x, y = batch(me, step)
        F.cross_entropy(alone(x, 1), y).backward()
        x, y = mine(me, x, y)
        F.cross_entropy(model(x, 1), y).backward()
        same(gradients(model), gradients(alone))


class Checkpointed(Net):
    reentrant = False

    def forward(self, x):
        from torch.utils.checkpoint import checkpoint

        x = F.relu(self.norm(self.conv(x))).flatten(1)
        x = torch.tanh(checkpoint(self.first, x, use_reentrant=self.reentrant))
        x = torch.sigmoid(checkpoint(self.second, x, use_reentrant=self.reentrant)) + x
        return checkpoint(self.last, x, use_reentrant=self.reentrant)


class CheckpointedTwice(Checkpointed):
    """A layer that is used, and recomputed, twice: only a static graph can count that."""

    def forward(self, x):
        from torch.utils.checkpoint import checkpoint

        x = torch.tanh(self.first(F.relu(self.norm(self.conv(x))).flatten(1)))
        for _ in range(2):
            x = torch.sigmoid(checkpoint(self.second, x, use_reentrant=True)) + x
        return self.last(x)


def check_activation_checkpointing(me):
    expected = expected_gradients(me)
    for reentrant in (False, True):
        Checkpointed.reentrant = reentrant
        for static in (False, True):
            model = wrap(me, build=Checkpointed, static_graph=static)
            for _ in range(2):
                model.zero_grad()
                loss_of(model, *mine(me, *batch(me))).backward()
                same(gradients(model), expected)
    expected = expected_gradients(me, build=CheckpointedTwice)
    model = wrap(me, build=CheckpointedTwice, static_graph=True)
    for _ in range(3):
        model.zero_grad()
        loss_of(model, *mine(me, *batch(me))).backward()
        same(gradients(model), expected)


def check_compression_hooks(me):
    expected = expected_gradients(me)
    exact = {"rtol": 1e-4, "atol": 1e-6}
    for hook, tolerance in ((default_hooks.allreduce_hook, exact),
                            (default_hooks.bf16_compress_hook, {"rtol": 4e-2, "atol": 2e-3}),
                            (default_hooks.fp16_compress_hook, {"rtol": 5e-3, "atol": 2e-4})):
        model = wrap(me)
        model.register_comm_hook(None, hook)
        for _ in range(2):
            model.zero_grad()
            loss_of(model, *mine(me, *batch(me))).backward()
            same(gradients(model), expected, **tolerance)
        same_everywhere(gradients(model))


def check_native_hooks(me):
    """The two hooks that torch has in C++."""
    expected = expected_gradients(me)
    for hook, tolerance in ((dist.BuiltinCommHookType.ALLREDUCE, {"rtol": 1e-4, "atol": 1e-6}),
                            (dist.BuiltinCommHookType.FP16_COMPRESS,
                             {"rtol": 5e-3, "atol": 2e-4})):
        model = wrap(me)
        model._register_builtin_comm_hook(hook)
        for _ in range(2):
            model.zero_grad()
            loss_of(model, *mine(me, *batch(me))).backward()
            same(gradients(model), expected, **tolerance)


def check_powersgd_hook(me):
    """With a rank as large as the matrices it loses nothing; with 1 it still learns."""
    def trained(rank, hook, steps):
        model = wrap(me, bucket_cap_mb=25)
        state = powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=rank,
                                            start_powerSGD_iter=2, min_compression_rate=0.01,
                                            use_error_feedback=True, warm_start=True)
        model.register_comm_hook(state, hook)
        losses = train(model, me, steps)
        same_everywhere(dict(model.module.named_parameters()))
        dist.all_reduce(losses)
        return losses / me.size, model

    reference, losses = reference_training(me, 6)
    found, model = trained(64, powerSGD_hook.powerSGD_hook, 6)
    torch.testing.assert_close(found, losses, rtol=1e-2, atol=1e-3)
    # torch 2.13's batched_powerSGD_hook fails on any device: it gives its own
    # _orthogonalize a matrix where that wants a batch of them.
    for hook in (powerSGD_hook.powerSGD_hook,
                 default_hooks.bf16_compress_wrapper(powerSGD_hook.powerSGD_hook),
                 default_hooks.fp16_compress_wrapper(powerSGD_hook.powerSGD_hook)):
        losses, _ = trained(1, hook, 24)
        assert losses[-3:].mean() < 0.9 * losses[:3].mean(), losses


def check_python_hooks_with_futures(me):
    expected = expected_gradients(me)

    def scaled(state, bucket):
        buffer = bucket.buffer().div_(me.size)
        return dist.all_reduce(buffer, async_op=True).get_future().then(
            lambda future: future.value()[0])

    def two_in_a_row(state, bucket):
        """A collective in the callback of another."""
        buffer = bucket.buffer().div_(me.size)
        first = dist.all_reduce(buffer, async_op=True).get_future()

        def second(future):
            value = future.value()[0]
            other = dist.broadcast(value, src=0, async_op=True).get_future()
            return other.wait()[0]

        return first.then(second)

    def gathered(state, bucket):
        parts = torch.empty(me.size * bucket.buffer().numel(), device=me.device)
        future = dist.all_gather_into_tensor(parts, bucket.buffer(), async_op=True).get_future()
        return future.then(lambda f: parts.view(me.size, -1).mean(0))

    def at_once(state, bucket):
        state.append(bucket.index())
        assert len(bucket.gradients()) == len(bucket.parameters())
        dist.all_reduce(bucket.buffer())
        future = torch.futures.Future()
        future.set_result(bucket.buffer() / me.size)
        return future

    calls = []
    hooks = [scaled, gathered, at_once]
    if "gloo" not in me.backend:  # whose two threads wait for each other
        hooks.append(two_in_a_row)
    for hook in hooks:
        model = wrap(me)
        model.register_comm_hook(calls, hook)
        for _ in range(3):
            model.zero_grad()
            loss_of(model, *mine(me, *batch(me))).backward()
            same(gradients(model), expected)
    assert len(set(calls)) > 1  # there were several buckets


def check_error_in_a_hook_is_raised(me):
    model = wrap(me)

    def wrong(state, bucket):
        raise KeyError("the hook's own")

    model.register_comm_hook(None, wrong)
    with pytest.raises((KeyError, RuntimeError), match="the hook's own"):
        loss_of(model, *mine(me, *batch(me))).backward()


def check_join_with_uneven_inputs(me):
    """Rank r has r + 1 batches; a step's mean is over all ranks, or over those that have one."""
    for by_all in (True, False):
        model = wrap(me)
        alone = network(me)
        for m in (model, alone):
            m.optimizer = torch.optim.SGD(m.parameters(), 0.1)
        with model.join(divide_by_initial_world_size=by_all):
            for step in range(me.rank + 1):
                model.optimizer.zero_grad()
                loss_of(model, *mine(me, *batch(me, step))).backward()
                model.optimizer.step()
        for step in range(me.size):
            alone.optimizer.zero_grad()
            present = range(step, me.size)
            divisor = me.size if by_all else len(present)
            for rank in present:
                x, y = (t[rank::me.size] for t in batch(me, step))
                (loss_of(alone, x, y) / divisor).backward()
            alone.optimizer.step()
        same(dict(model.module.named_parameters()), dict(alone.named_parameters()),
             rtol=1e-4, atol=1e-5)


class Mixed(nn.Module):
    """Parameters of three dtypes: buckets hold one dtype each."""

    def __init__(self):
        super().__init__()
        self.low, self.middle = nn.Linear(36, 16), nn.Linear(16, 16)
        self.high = nn.Linear(16, 5)

    def forward(self, x):
        x = self.low(x.flatten(1).to(self.low.weight.dtype))
        x = torch.tanh(self.middle(x.to(self.middle.weight.dtype)))
        return self.high(x.to(self.high.weight.dtype))


def check_mixed_dtypes_of_parameters(me):
    def build():
        model = Mixed()
        model.low.to(torch.bfloat16)
        model.high.to(torch.float64)
        return model

    torch.manual_seed(1)
    alone = build().to(me.device)
    loss_of(alone, *batch(me)).backward()
    torch.manual_seed(1 + me.rank)
    for view in (False, True):
        model = DDP(copy.deepcopy(alone), gradient_as_bucket_view=view, bucket_cap_mb=0.001)
        for _ in range(2):
            model.zero_grad()
            loss_of(model, *mine(me, *batch(me))).backward()
            found, wanted = gradients(model), gradients(alone)
            same({n: g for n, g in found.items() if "low" not in n},
                 {n: g for n, g in wanted.items() if "low" not in n}, rtol=2e-2, atol=1e-3)
            same({n: g for n, g in found.items() if "low" in n},
                 {n: g for n, g in wanted.items() if "low" in n}, rtol=5e-2, atol=5e-3)
        assert found["low.weight"].dtype == torch.bfloat16
        assert found["high.weight"].dtype == torch.float64


def check_low_precision_and_complex_parameters(me):
    for dtype, tolerance in ((torch.bfloat16, 5e-2), (torch.float16, 1e-2),
                             (torch.float64, 1e-9)):
        expected = expected_gradients(me, dtype=dtype)
        model = wrap(me, dtype=dtype)
        loss_of(model, *mine(me, *batch(me, dtype=dtype))).backward()
        same(gradients(model), expected, rtol=tolerance, atol=tolerance / 10)

    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(5, 36, dtype=torch.complex64))

        def forward(self, x):
            return (x.flatten(1).to(torch.complex64) @ self.weight.T).abs()

    expected = expected_gradients(me, build=Complex)
    model = wrap(me, build=Complex)
    loss_of(model, *mine(me, *batch(me))).backward()
    same(gradients(model), expected)


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.last = nn.BatchNorm1d(36), nn.Linear(36, 5)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("flags", torch.tensor([True, False]))

    def forward(self, x):
        self.count += 1
        return self.last(self.norm(x.flatten(1)))


def check_buffers_follow_rank_0(me):
    for broadcast in (True, False):
        model = wrap(me, build=Norm, forward_sync_buffers=broadcast)
        model.module.count += 100 * me.rank
        for step in range(3):
            loss_of(model, *mine(me, *batch(me, step))).backward()
        # The last forward changed them once more, each by its own batch.
        parts = [torch.empty_like(model.module.norm.running_mean) for _ in range(me.size)]
        dist.all_gather(parts, model.module.norm.running_mean)
        assert not torch.equal(parts[0], parts[1])
        assert model.module.count.item() == 3 + (0 if broadcast else 100 * me.rank)
        model(batch(me)[0])
        if broadcast:
            same_everywhere({"count": model.module.count, "flags": model.module.flags})


def check_buffers_by_a_hook(me):
    def average(module, buffers):
        for name, buffer in buffers.items():
            if buffer.is_floating_point():
                dist.all_reduce(buffer)
                buffer /= me.size

    model = wrap(me, build=Norm)
    from torch.nn.parallel.distributed import _BufferCommHookLocation

    model._register_buffer_comm_hook(model, average,
                                     _BufferCommHookLocation.POST_FORWARD)
    loss_of(model, *mine(me, *batch(me))).backward()
    same_everywhere({"running_mean": model.module.norm.running_mean})
    x = batch(me)[0].flatten(1)
    torch.testing.assert_close(model.module.norm.running_mean, 0.1 * x.mean(0),
                               rtol=1e-4, atol=1e-6)


def check_model_on_cpu_in_the_same_group(me):
    """One group for both kinds of tensors: a model on the CPU beside one on the device."""
    group = dist.new_group()
    for device in ("cpu", me.device):
        alone = network(me).to(device)
        loss_of(alone, *(t.to(device) for t in batch(me))).backward()
        model = DDP(network(me, 1 + me.rank).to(device), process_group=group,
                    bucket_cap_mb=0.002)
        for _ in range(2):
            model.zero_grad()
            loss_of(model, *(t.to(device) for t in mine(me, *batch(me)))).backward()
            same(gradients(model), gradients(alone))
            assert model.module.conv.weight.grad.device.type == torch.device(device).type
    dist.destroy_process_group(group)


def check_autocast_bfloat16(me):
    for dtype in (torch.bfloat16, torch.float16):
        def forward(model, x, y):
            with torch.autocast(x.device.type, dtype):
                return loss_of(model, x, y)

        expected = expected_gradients(me, forward=forward)
        model = wrap(me)
        for _ in range(2):
            model.zero_grad()
            forward(model, *mine(me, *batch(me))).backward()
            same(gradients(model), expected, rtol=5e-2, atol=5e-3)
            assert model.module.first.weight.grad.dtype == torch.float32
        same_everywhere(gradients(model))


def check_grad_scaler(me):
    """An overflow on one rank reaches all through the gradients: all skip the same step."""
    model = wrap(me)
    scaler = torch.amp.GradScaler(me.device, init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = model.module.last.weight.detach().clone()
    for step, bad in ((0, True), (1, False)):
        x, y = mine(me, *batch(me, step))
        if bad and me.rank == me.size - 1:
            x = x * float("inf")
        optimizer.zero_grad()
        scaler.scale(loss_of(model, x, y)).backward()
        scaler.step(optimizer)
        scaler.update()
        moved = not torch.equal(model.module.last.weight, before)
        assert moved != bad
    assert scaler.get_scale() == 512.0
    same_everywhere(dict(model.module.named_parameters()))


def check_side_stream(me):
    """Forward, backward and step queued on a stream of its own, without a wait between."""
    if me.device == "cpu":
        pytest.skip("the CPU has no streams")
    reference, losses = reference_training(me, 6)
    for view in (False, True):
        model = wrap(me, gradient_as_bucket_view=view)
        stream = torch.xpu_lite.Stream()
        stream.wait_stream(torch.xpu_lite.current_stream())
        with torch.xpu_lite.stream(stream):
            found = train(model, me, 6)
            dist.all_reduce(found)
            found /= me.size
        torch.xpu_lite.current_stream().wait_stream(stream)
        torch.testing.assert_close(found, losses, rtol=1e-4, atol=1e-5)
        same(dict(model.module.named_parameters()), dict(reference.named_parameters()),
             rtol=1e-3, atol=1e-5)
        same_everywhere(dict(model.module.named_parameters()))


def check_two_models_in_turns(me):
    """Their collectives meet in the same group, in the same order on every rank."""
    expected = expected_gradients(me)
    models = [wrap(me), wrap(me)]
    losses = [loss_of(model, *mine(me, *batch(me))) for model in models]
    for loss in reversed(losses):
        loss.backward()
    for model in models:
        same(gradients(model), expected)


def check_groups_of_half_the_ranks(me):
    """Each half trains its own model; world 2 has halves of one rank."""
    half = me.size // 2
    groups = [dist.new_group(range(0, half)), dist.new_group(range(half, me.size))]
    which = me.rank // half
    model = DDP(network(me, 1 + me.rank), process_group=groups[which], bucket_cap_mb=0.002)
    alone = network(me, 1 + which * half)
    for step in range(2):
        for m in (model, alone):
            m.zero_grad()
        x, y = batch(me, step)
        loss_of(model, x[me.rank % half::half], y[me.rank % half::half]).backward()
        loss_of(alone, x, y).backward()
        same(gradients(model), gradients(alone))
    dist.barrier()
    dist.destroy_process_group(groups[which])


def check_mismatched_models_are_an_error(me):
    """Rank 0's shapes count; who has others says so. Rank 0 may learn it, but does not wait
    for ever."""
    width = 24 if me.rank == 0 else 25
    group = dist.new_group(timeout=timedelta(seconds=5))
    if me.rank == 0:
        with contextlib.suppress(RuntimeError):
            DDP(Net(width).to(me.device), process_group=group)
    else:
        with pytest.raises(RuntimeError, match="appears not to match sizes"):
            DDP(Net(width).to(me.device), process_group=group)


def check_ignored_parameters_and_delayed_buckets(me):
    expected = expected_gradients(me)
    model = network(me)
    DDP._set_params_and_buffers_to_ignore_for_model(model, ["second.weight"])
    model = DDP(model, bucket_cap_mb=0.002)
    loss_of(model, *mine(me, *batch(me))).backward()
    found = gradients(model)
    local = found.pop("second.weight")
    mean = local.clone()
    dist.all_reduce(mean)
    torch.testing.assert_close(mean / me.size, expected.pop("second.weight"),
                               rtol=1e-4, atol=1e-6)
    assert not torch.equal(mean / me.size, local)
    same(found, expected)


def check_optimizer_in_backward(me):
    """Parameters are stepped inside backward, as their buckets arrive."""
    from torch.distributed.optim import _apply_optimizer_in_backward

    reference = network(me)
    optimizer = torch.optim.SGD(reference.parameters(), 0.1)
    model = network(me)
    _apply_optimizer_in_backward(torch.optim.SGD, model.parameters(), {"lr": 0.1})
    model = DDP(model, bucket_cap_mb=0.002)
    for step in range(3):
        optimizer.zero_grad()
        loss_of(reference, *batch(me, step)).backward()
        optimizer.step()
        loss_of(model, *mine(me, *batch(me, step))).backward()
    same(dict(model.module.named_parameters()), dict(reference.named_parameters()))


def check_state_dict_and_checkpoint(me):
    """Saved by rank 0, loaded by all; training goes on alike."""
    model = wrap(me)
    train(model, me, 2)
    path = me.folder / "model.pt"
    if me.rank == 0:
        torch.save(model.state_dict(), path)
    dist.barrier()
    other = wrap(me, seed=77)
    other.load_state_dict(torch.load(path, map_location=me.device))
    same(dict(other.named_parameters()), dict(model.named_parameters()), rtol=0, atol=0)
    found = [train(m, me, 2, momentum=0) for m in (model, other)]
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def check_outputs_of_any_structure(me):
    class Many(Net):
        def forward(self, x, scale=None):
            y = super().forward(x["images"])
            return {"logits": y * scale, "extra": [y.detach(), (y.sum(),)]}

    model = DDP(network(me, build=Many), find_unused_parameters=True)
    expected = expected_gradients(me)
    x, y = mine(me, *batch(me))
    out = model({"images": x}, scale=torch.ones((), device=me.device))
    F.cross_entropy(out["logits"], y).backward()
    same(gradients(model), expected)


def check_double_backward_of_a_penalty(me):
    """torch.autograd.grad inside a step, then backward through it."""
    def forward(model, x, y):
        x = x.clone().requires_grad_()
        loss = loss_of(model, x, y)
        (slope,) = torch.autograd.grad(loss * len(x), x, create_graph=True)
        return loss + slope.pow(2).flatten(1).sum(1).mean()

    expected = expected_gradients(me, forward=forward)
    model = wrap(me, static_graph=False)
    with model.no_sync():  # DDP's own hooks run once only; the mean is taken by hand
        forward(model, *mine(me, *batch(me))).backward()
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad /= me.size
    same(gradients(model), expected)


def check_compiled_models(me):
    """torch.compile inside DDP, and around it (DDPOptimizer splits the graph by buckets)."""
    def build():
        return Net(600)  # more than a bucket: the first one that DDP sends has 1 MiB

    expected = expected_gradients(me, build=build)
    inside = DDP(torch.compile(network(me, 1, build), backend="aot_eager"), bucket_cap_mb=1)
    around = torch.compile(wrap(me, build, bucket_cap_mb=1, seed=1), backend="aot_eager")
    for model in (inside, around):
        for _ in range(2):
            model.zero_grad()
            loss_of(model, *mine(me, *batch(me))).backward()
            found = {n.replace("_orig_mod.", "").removeprefix("module."): p.grad
                     for n, p in model.named_parameters()}
            same(found, expected)


def check_logging_data(me):
    model = wrap(me)
    for _ in range(3):
        loss_of(model, *mine(me, *batch(me))).backward()
    data = model._get_ddp_logging_data()
    assert data["world_size"] == me.size and data["rank"] == me.rank
    assert data["num_parameter_tensors"] == len(list(model.parameters()))
    assert data["avg_backward_compute_time"] > 0  # there is a clock for the device
