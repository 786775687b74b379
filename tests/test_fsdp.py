"""FSDP: `FullyShardedDataParallel` and `fully_shard` train as one process does."""

import contextlib
import copy

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from ranks import DEVICE, Ranks
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

STEPS = 3
BATCH = 4  # of each rank


@pytest.fixture(scope="module", params=[2, 4], ids="{}-ranks".format)
def ranks(request):
    with Ranks(request.param, init=True) as ranks:
        yield ranks


@pytest.fixture(scope="module")
def two():
    with Ranks(2, init=True) as ranks:
        yield ranks


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.up = nn.Linear(size, 3 * size)
        self.down = nn.Linear(3 * size, size, bias=False)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Network(nn.Module):
    """Sizes that do not divide by the number of ranks."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(7, 10)
        self.blocks = nn.ModuleList(Block(10) for _ in range(3))
        self.last = nn.Linear(10, 5)
        self.register_buffer("scale", torch.full((5,), 1.5))

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x) * self.scale


def make_network():
    torch.manual_seed(0)
    return Network()


def batches(me):
    generator = torch.Generator().manual_seed(1)
    whole = torch.randn(STEPS, me.size * BATCH, 7, generator=generator)
    target = torch.randn(STEPS, me.size * BATCH, 5, generator=generator)
    return whole, target


def mine(me, x):
    return x.chunk(me.size)[me.rank].to(me.device)


def train_reference(me, model, clip=None, dtype=None, accumulate=1):
    """One process with the whole batch, on the CPU; (losses, norms)."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses, norms = [], []
    context = torch.autocast("cpu", dtype) if dtype else contextlib.nullcontext()
    for step, (x, y) in enumerate(zip(*batches(me))):
        with context:
            loss = F.mse_loss(model(x).float(), y)
        loss.backward()
        losses.append(loss.detach())
        if (step + 1) % accumulate:
            continue
        if clip:
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), clip))
        optimizer.step()
        optimizer.zero_grad()
    return torch.stack(losses), norms, optimizer


def mean_over_ranks(losses):
    losses = torch.stack(losses).float()
    dist.all_reduce(losses, op=dist.ReduceOp.SUM)
    return losses.cpu() / dist.get_world_size()


def close(actual, expected, **limits):
    limits = limits or dict(rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        actual.detach().float().cpu(), expected.detach().float().cpu(), **limits)


LOW = dict(rtol=5e-2, atol=5e-2)  # of bfloat16


# FullyShardedDataParallel


def wrap(me, model, **options):
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
    from torch.distributed.fsdp.wrap import ModuleWrapPolicy

    device = torch.device("cpu") if me.device == "cpu" else torch.device(me.device, 0)
    options = {"device_id": device,
               "auto_wrap_policy": ModuleWrapPolicy({Block}), **options}
    return FSDP(model, **options)


def train_wrapped(me, model, optimizer, clip=None, accumulate=1):
    losses, norms = [], []
    for step, (x, y) in enumerate(zip(*batches(me))):
        last = (step + 1) % accumulate == 0
        with contextlib.nullcontext() if last else model.no_sync():
            loss = F.mse_loss(model(mine(me, x)).float(), mine(me, y))
            loss.backward()
        losses.append(loss.detach())
        if not last:
            continue
        if clip:
            norms.append(model.clip_grad_norm_(clip))
        optimizer.step()
        optimizer.zero_grad()
    return mean_over_ranks(losses), norms


def whole_parameters(model):
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP

    with FSDP.summon_full_params(model):
        return {name.replace("_fsdp_wrapped_module.", ""): p.detach().cpu().clone()
                for name, p in model.named_parameters()}


def fsdp1(me, strategy, options, clip=None, accumulate=1):
    from torch.distributed.fsdp import (
        BackwardPrefetch,
        CPUOffload,
        MixedPrecision,
        ShardingStrategy,
    )

    options = dict(options)
    low = options.pop("mixed_precision", None)
    if low:
        options["mixed_precision"] = MixedPrecision(
            param_dtype=torch.bfloat16, reduce_dtype=torch.bfloat16, buffer_dtype=torch.bfloat16)
    if options.pop("cpu_offload", None):
        options["cpu_offload"] = CPUOffload(offload_params=True)
    if "backward_prefetch" in options:
        options["backward_prefetch"] = BackwardPrefetch[options["backward_prefetch"]]
    reference = make_network()
    model = wrap(me, copy.deepcopy(reference), sharding_strategy=ShardingStrategy[strategy],
                 **options)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses, norms = train_wrapped(me, model, optimizer, clip, accumulate)
    expected, expected_norms, _ = train_reference(me, reference, clip, accumulate=accumulate)
    limits = LOW if low else {}
    close(losses, expected, **limits)
    for a, b in zip(norms, expected_norms, strict=True):
        close(a, b, **limits)
    if not options.get("cpu_offload"):
        assert all(p.device.type == torch.device(me.device).type for p in model.parameters())
    for name, p in whole_parameters(model).items():
        close(p, reference.get_parameter(name), **limits)


FSDP1 = {
    "full": ("FULL_SHARD", {}),
    "original parameters": ("FULL_SHARD", dict(use_orig_params=True)),
    "grad op": ("SHARD_GRAD_OP", {}),
    "no shard": ("NO_SHARD", {}),
    "mixed precision": ("FULL_SHARD", dict(mixed_precision=True)),
    "forward prefetch": ("FULL_SHARD", dict(forward_prefetch=True)),
    "prefetch after": ("FULL_SHARD", dict(backward_prefetch="BACKWARD_POST")),
    "no prefetch and no limit": ("FULL_SHARD", dict(limit_all_gathers=False)),
    "offload": ("FULL_SHARD", dict(cpu_offload=True)),
    "synchronised": ("FULL_SHARD", dict(sync_module_states=True)),
}


@pytest.mark.parametrize("case", FSDP1)
@pytest.mark.filterwarnings("ignore")
def test_fsdp1(ranks, case):
    ranks.run(fsdp1, *FSDP1[case])


def test_fsdp1_clips_gradients(ranks):
    ranks.run(fsdp1, "FULL_SHARD", {}, clip=0.1)


def test_fsdp1_accumulates_gradients(ranks):
    ranks.run(fsdp1, "FULL_SHARD", {}, accumulate=3)


def fsdp1_hybrid(me):
    from torch.distributed.fsdp import ShardingStrategy

    mesh = init_device_mesh(me.device, (2, me.size // 2), mesh_dim_names=("copies", "shards"))
    reference = make_network()
    model = wrap(me, copy.deepcopy(reference), device_mesh=mesh, use_orig_params=True,
                 sharding_strategy=ShardingStrategy.HYBRID_SHARD)
    losses, _ = train_wrapped(me, model, torch.optim.AdamW(model.parameters(), lr=1e-2))
    close(losses, train_reference(me, reference)[0])


def test_fsdp1_hybrid():
    with Ranks(4, init=True) as ranks:
        ranks.run(fsdp1_hybrid)


def fsdp1_states(me):
    """Full, sharded and local state dicts, of the model and its optimizer, go round."""
    from torch.distributed.fsdp import (
        FullOptimStateDictConfig,
        FullStateDictConfig,
        ShardedOptimStateDictConfig,
        ShardedStateDictConfig,
        StateDictType,
    )
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP

    def fresh(kind, seed=0):
        torch.manual_seed(seed)
        # Local states are those of the flat parameters, which FSDP must own then.
        model = wrap(me, Network(), use_orig_params=kind != StateDictType.LOCAL_STATE_DICT)
        return model, torch.optim.AdamW(model.parameters(), lr=1e-2)

    kinds = {
        StateDictType.FULL_STATE_DICT: (
            FullStateDictConfig(offload_to_cpu=True), FullOptimStateDictConfig(offload_to_cpu=True)),
        StateDictType.SHARDED_STATE_DICT: (
            ShardedStateDictConfig(), ShardedOptimStateDictConfig()),
        StateDictType.LOCAL_STATE_DICT: (None, None),
    }
    for kind, (config, optim_config) in kinds.items():
        model, optimizer = fresh(kind)
        train_wrapped(me, model, optimizer)
        expected = whole_parameters(model)
        with FSDP.state_dict_type(model, kind, config, optim_config):
            state = model.state_dict()
            if kind != StateDictType.LOCAL_STATE_DICT:
                optim_state = FSDP.optim_state_dict(model, optimizer)
        if kind == StateDictType.FULL_STATE_DICT:
            assert all(value.device.type == "cpu" for value in state.values())
            for name, value in state.items():
                if name != "scale":
                    close(value, expected[name], rtol=0, atol=0)
        other, other_optimizer = fresh(kind, seed=9)
        with FSDP.state_dict_type(other, kind, config, optim_config):
            other.load_state_dict(state)
            if kind != StateDictType.LOCAL_STATE_DICT:
                other_optimizer.load_state_dict(
                    FSDP.optim_state_dict_to_load(other, other_optimizer, optim_state))
        for name, p in whole_parameters(other).items():
            close(p, expected[name], rtol=0, atol=0)
        if kind == StateDictType.LOCAL_STATE_DICT:
            continue
        losses, _ = train_wrapped(me, other, other_optimizer)
        if kind == StateDictType.FULL_STATE_DICT:
            first = losses
        else:
            close(losses, first)


@pytest.mark.filterwarnings("ignore")
def test_fsdp1_state_dicts(two):
    two.run(fsdp1_states)


def fsdp1_meta(me):
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP

    with torch.device("meta"):
        model = Network()

    def initialize(module):
        module.to_empty(device=torch.device(me.device), recurse=False)
        for p in module.parameters(recurse=False):
            nn.init.constant_(p, 0.1)
        for b in module.buffers(recurse=False):
            b.fill_(1.5)

    model = wrap(me, model, param_init_fn=initialize)
    with FSDP.summon_full_params(model):
        assert all((p == 0.1).all() for p in model.parameters())
    loss = model(torch.ones(2, 7, device=me.device)).sum()
    loss.backward()


def test_fsdp1_from_meta_device(two):
    two.run(fsdp1_meta)


# fully_shard


def shard(me, model, **options):
    from torch.distributed.fsdp import fully_shard

    options = {"mesh": init_device_mesh(me.device, (me.size,)), **options}
    for block in model.blocks:
        fully_shard(block, **options)
    return fully_shard(model, **options)


def train_sharded(me, model, optimizer, clip=None, accumulate=1):
    losses, norms = [], []
    for step, (x, y) in enumerate(zip(*batches(me))):
        last = (step + 1) % accumulate == 0
        model.set_requires_gradient_sync(last)
        loss = F.mse_loss(model(mine(me, x)).float(), mine(me, y))
        loss.backward()
        losses.append(loss.detach())
        if not last:
            continue
        if clip:
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), clip).full_tensor())
        optimizer.step()
        optimizer.zero_grad()
    return mean_over_ranks(losses), norms


def fsdp2(me, options, clip=None, accumulate=1, optimizer="AdamW", prefetch=False):
    from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy

    options = dict(options)
    low = options.pop("mixed_precision", None)
    if low:
        options["mp_policy"] = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=getattr(torch, low))
    offload = options.pop("offload", False)
    if offload:
        options["offload_policy"] = CPUOffloadPolicy(pin_memory=options.pop("pin", False))
    mesh_shape = options.pop("mesh_shape", None)
    if mesh_shape:
        options["mesh"] = init_device_mesh(
            me.device, mesh_shape, mesh_dim_names=("copies", "shards"))
    reference = make_network()
    model = copy.deepcopy(reference)
    model = shard(me, model if offload else model.to(me.device), **options)
    if offload:
        model.scale = model.scale.to(me.device)
    if prefetch:
        blocks = list(model.blocks)
        for one, other in zip(blocks, blocks[1:]):
            one.set_modules_to_forward_prefetch([other])
            other.set_modules_to_backward_prefetch([one])
    kind = "cpu" if offload else torch.device(me.device).type
    assert all(p.device.type == kind for p in model.parameters())
    optim = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-2)
    losses, norms = train_sharded(me, model, optim, clip, accumulate)
    expected, expected_norms, _ = train_reference(me, reference, clip, accumulate=accumulate)
    limits = LOW if low else {}
    close(losses, expected, **limits)
    for a, b in zip(norms, expected_norms, strict=True):
        close(a, b, **limits)
    for p, q in zip(model.parameters(), reference.parameters(), strict=True):
        assert p.to_local().numel() < q.numel() or mesh_shape
        p = p.to(me.device) if offload else p
        close(p.full_tensor(), q, **limits)


FSDP2 = {
    "default": {},
    "resharded after forward": dict(reshard_after_forward=True),
    "kept after forward": dict(reshard_after_forward=False),
    "mixed precision": dict(mixed_precision="float32"),
    "mixed precision, reduced in bfloat16": dict(mixed_precision="bfloat16"),
    "offload": dict(offload=True),
    "offload to pinned memory": dict(offload=True, pin=True),
}


@pytest.mark.parametrize("case", FSDP2)
def test_fsdp2(ranks, case):
    if DEVICE == "cpu" and "pinned" in case:
        pytest.skip("pinned memory is for a device")
    ranks.run(fsdp2, FSDP2[case])


def test_fsdp2_prefetches(ranks):
    ranks.run(fsdp2, {}, prefetch=True)


def test_fsdp2_clips_gradients(ranks):
    ranks.run(fsdp2, {}, clip=0.1)


def test_fsdp2_accumulates_gradients(ranks):
    ranks.run(fsdp2, {}, accumulate=3)


def test_fsdp2_hybrid():
    with Ranks(4, init=True) as ranks:
        ranks.run(fsdp2, dict(mesh_shape=(2, 2)))
        ranks.run(fsdp2, dict(mesh_shape=(4, 1)))
        ranks.run(fsdp2, dict(mesh_shape=(2, 2), reshard_after_forward=False), clip=0.1)


def fsdp2_states(me):
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_model_state_dict,
        get_optimizer_state_dict,
        set_model_state_dict,
        set_optimizer_state_dict,
    )
    from torch.distributed.tensor import DTensor

    def fresh(seed=0):
        torch.manual_seed(seed)
        model = shard(me, Network().to(me.device))
        return model, torch.optim.AdamW(model.parameters(), lr=1e-2)

    model, optimizer = fresh()
    train_sharded(me, model, optimizer)
    state = model.state_dict()
    assert all(isinstance(v, DTensor) for k, v in state.items() if k != "scale")
    other, _ = fresh(seed=9)
    other.load_state_dict(state)
    for p, q in zip(other.parameters(), model.parameters()):
        close(p.full_tensor(), q.full_tensor(), rtol=0, atol=0)
    # All on rank 0's CPU, and from there to all.
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    full = get_model_state_dict(model, options=options)
    # A copy: offloading leaves the step counts, which are on the CPU, those of `optimizer`.
    full_optim = copy.deepcopy(get_optimizer_state_dict(model, optimizer, options=options))
    if me.rank == 0:
        assert all(v.device.type == "cpu" and not isinstance(v, DTensor) for v in full.values())
        single = Network()
        single.load_state_dict(full)
    else:
        assert not full
    third, third_optimizer = fresh(seed=9)
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    set_model_state_dict(third, full, options=options)
    set_optimizer_state_dict(third, third_optimizer, full_optim, options=options)
    for p, q in zip(third.parameters(), model.parameters()):
        close(p.full_tensor(), q.full_tensor(), rtol=0, atol=0)
    expected, _ = train_sharded(me, model, optimizer)
    actual, _ = train_sharded(me, third, third_optimizer)
    close(actual, expected)


def test_fsdp2_state_dicts(two):
    two.run(fsdp2_states)


def fsdp2_meta(me):
    with torch.device("meta"):
        model = Network()
    model = shard(me, model)
    model.to_empty(device=me.device)
    assert all(p.device.type == torch.device(me.device).type for p in model.parameters())
    torch.manual_seed(3)
    for p in model.parameters():
        nn.init.normal_(p)
    model.scale.fill_(1.5)
    values = [p.full_tensor() for p in model.parameters()]
    assert all(v.std() > 0.3 for v in values if v.numel() > 50)
    # The ranks drew different numbers: no shard is another's copy.
    weight = model.blocks[0].up.weight.full_tensor()
    pieces = weight.chunk(me.size)
    assert me.device == "cpu" or not torch.equal(pieces[0], pieces[1])
    model(torch.ones(2, 7, device=me.device)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_fsdp2_from_meta_device(ranks):
    ranks.run(fsdp2_meta)


def fsdp2_interfaces(me):
    from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

    model = shard(me, make_network().to(me.device))
    assert isinstance(model, FSDPModule)
    model.unshard()
    assert model.first.weight.shape == (10, 7)
    model.reshard()
    handle = model.blocks[0].unshard(async_op=True)
    handle.wait()
    model.blocks[0].reshard()
    type(model).double_forward = lambda self, x: self(x) * 2
    register_fsdp_forward_method(model, "double_forward")
    x = torch.ones(2, 7, device=me.device)
    close(model.double_forward(x), 2 * model(x))
    model.set_reshard_after_backward(False)
    model.set_is_last_backward(True)
    model(x).sum().backward()
    model.set_gradient_divide_factor(1.0) if hasattr(model, "set_gradient_divide_factor") else None
    with torch.no_grad():
        model(x)


def test_fsdp2_interfaces(two):
    two.run(fsdp2_interfaces)


def checkpointed(me):
    """With activation checkpointing, autocast and a compiled block."""
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    reference = make_network()
    model = copy.deepcopy(reference).to(me.device)
    for number, block in enumerate(model.blocks):
        model.blocks[number] = checkpoint_wrapper(block)
    model = shard(me, model)
    losses, _ = train_sharded(me, model, torch.optim.AdamW(model.parameters(), lr=1e-2))
    close(losses, train_reference(me, reference)[0])

    model = copy.deepcopy(make_network()).to(me.device)
    for block in model.blocks:
        block.compile(backend="aot_eager")
    model = shard(me, model)
    losses, _ = train_sharded(me, model, torch.optim.AdamW(model.parameters(), lr=1e-2))
    close(losses, train_reference(me, make_network())[0])


def test_fsdp2_with_checkpointing_and_compile(two):
    two.run(checkpointed)
