"""DeviceMesh, DTensor, tensor parallelism and functional collectives."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as funcol
import torch.nn.functional as F
from ranks import DEVICE, Ranks
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import (
    DTensor,
    Partial,
    Replicate,
    Shard,
    distribute_module,
    distribute_tensor,
)
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    loss_parallel,
    parallelize_module,
)


@pytest.fixture(scope="module", params=[2, 4], ids="{}-ranks".format)
def ranks(request):
    with Ranks(request.param, init=True) as ranks:
        yield ranks


@pytest.fixture(scope="module")
def four():
    with Ranks(4, init=True) as ranks:
        yield ranks


def line(me):
    return init_device_mesh(me.device, (me.size,))


def seeded(*shape, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, **options)


def close(actual, expected, **limits):
    torch.testing.assert_close(actual.detach().cpu(), expected.detach().cpu(), **limits)


# Meshes


def meshes(me):
    mesh = init_device_mesh(me.device, (2, 2), mesh_dim_names=("rows", "columns"))
    assert mesh.mesh.tolist() == [[0, 1], [2, 3]]
    assert list(mesh.get_coordinate()) == [me.rank // 2, me.rank % 2]
    assert mesh.device_type == torch.device(me.device).type
    assert mesh["columns"].get_local_rank() == me.rank % 2
    assert mesh.get_local_rank("rows") == me.rank // 2
    for name, peers in (("rows", [me.rank % 2, me.rank % 2 + 2]),
                        ("columns", [me.rank // 2 * 2, me.rank // 2 * 2 + 1])):
        group = mesh.get_group(name)
        assert dist.get_process_group_ranks(group) == peers
        x = torch.full((3,), float(me.rank), device=me.device)
        dist.all_reduce(x, group=group)
        assert (x == sum(peers)).all()
    flat = mesh["rows", "columns"]._flatten("all")
    assert flat.size() == 4
    x = torch.ones(2, device=me.device)
    dist.all_reduce(x, group=flat.get_group())
    assert (x == 4).all()
    again = DeviceMesh.from_group(
        [mesh.get_group("rows"), mesh.get_group("columns")], me.device,
        mesh=mesh.mesh, mesh_dim_names=("rows", "columns"))
    assert again["rows"].size() == 2
    pair = DeviceMesh(me.device, [1, 3])
    if me.rank in (1, 3):
        x = torch.ones(2, device=me.device)
        dist.all_reduce(x, group=pair.get_group())
        assert (x == 2).all()
    else:
        assert pair.get_coordinate() is None


def test_mesh(four):
    four.run(meshes)


# DTensor


def placements(me):
    mesh = line(me)
    for shape in ((8, 4), (7, 3), (1, 5), (2, 6), (9,)):
        whole = seeded(*shape)
        kinds = [Replicate(), *(Shard(dim) for dim in range(len(shape)))]
        for source in kinds:
            x = distribute_tensor(whole.to(me.device), mesh, [source])
            assert x.device.type == torch.device(me.device).type
            close(x.full_tensor(), whole)
            for target in kinds:
                y = x.redistribute(mesh, [target])
                assert y.placements == (target,)
                close(y.full_tensor(), whole)
                if isinstance(target, Shard):
                    pieces = whole.chunk(me.size, target.dim)
                    mine = pieces[me.rank] if me.rank < len(pieces) else None
                    if mine is not None:
                        close(y.to_local(), mine)
                    else:
                        assert y.to_local().numel() == 0
        # Partial: the sum of what the ranks hold.
        local = (whole * (me.rank + 1)).to(me.device)
        total = whole * sum(range(1, me.size + 1))
        for target in kinds:
            x = DTensor.from_local(local, mesh, [Partial()])
            close(x.redistribute(mesh, [target]).full_tensor(), total)
        for op, expected in (("avg", total / me.size),
                             ("max", torch.maximum(whole, whole * me.size)),
                             ("min", torch.minimum(whole, whole * me.size))):
            x = DTensor.from_local(local, mesh, [Partial(op)])
            close(x.full_tensor(), expected)


def test_placements(ranks):
    ranks.run(placements)


def operators(me):
    mesh = line(me)
    a, b = seeded(8, 12, seed=1), seeded(12, 6, seed=2)
    # matmul with every pair of placements, and gradients.
    for pa in (Replicate(), Shard(0), Shard(1)):
        for pb in (Replicate(), Shard(0), Shard(1)):
            x = distribute_tensor(a.to(me.device), mesh, [pa]).requires_grad_()
            y = distribute_tensor(b.to(me.device), mesh, [pb]).requires_grad_()
            z = torch.mm(x, y)
            close(z.full_tensor(), a @ b, rtol=1e-5, atol=1e-5)
            (z * z).sum().redistribute(mesh, [Replicate()]).to_local().backward()
            grad = 2 * (a @ b)
            close(x.grad.full_tensor(), grad @ b.t(), rtol=1e-4, atol=1e-4)
            close(y.grad.full_tensor(), a.t() @ grad, rtol=1e-4, atol=1e-4)
    for place in (Replicate(), Shard(0), Shard(1)):
        x = distribute_tensor(a.to(me.device), mesh, [place])
        unary = [torch.relu, torch.exp, torch.neg, lambda t: t.sum(), lambda t: t.sum(0),
                 lambda t: t.mean(1), lambda t: t.amax(0), lambda t: t.t(), lambda t: t + 1,
                 lambda t: F.softmax(t, 1), lambda t: F.softmax(t, 0), lambda t: t * t,
                 lambda t: F.layer_norm(t, (12,)), lambda t: t.reshape(4, 2, 12),
                 lambda t: t.std(), lambda t: t.argmax(1), lambda t: t.norm(),
                 lambda t: t[:, 2:7], lambda t: t.cumsum(0), lambda t: torch.cat([t, t], 1),
                 lambda t: torch.where(t > 0, t, -t), lambda t: t.clone().zero_(),
                 lambda t: t.to(torch.bfloat16).float(), lambda t: torch.stack([t, t])]
        for number, f in enumerate(unary):
            try:
                close(f(x).full_tensor(), f(a), rtol=1e-5, atol=1e-5)
            except Exception as error:
                raise AssertionError(f"operator {number} at {place}: {error}") from error
    assert torch.equal(distribute_tensor(a.to(me.device), mesh, [Shard(0)]).full_tensor().cpu(), a)


def test_operators(ranks):
    ranks.run(operators)


def factories(me):
    from torch.distributed import tensor as dtensor

    mesh = line(me)
    assert (dtensor.ones(7, 3, device_mesh=mesh, placements=[Shard(0)]).full_tensor() == 1).all()
    assert (dtensor.zeros(7, 3, device_mesh=mesh, placements=[Shard(1)]).full_tensor() == 0).all()
    full = dtensor.full((5,), 2.5, device_mesh=mesh, placements=[Replicate()])
    assert (full.to_local() == 2.5).all()
    assert dtensor.empty(4, 4, device_mesh=mesh, placements=[Shard(0)]).shape == (4, 4)


def test_factories(ranks):
    ranks.run(factories)


def random_operators(me):
    """One seed gives one tensor, however it is sharded; and another one each time."""
    mesh = line(me)
    from torch.distributed import tensor as dtensor

    def draw(placement, make):
        torch.manual_seed(7)
        return make(placement).full_tensor().cpu()

    makers = {
        "rand": lambda p: dtensor.rand(8, 12, device_mesh=mesh, placements=[p]),
        "randn": lambda p: dtensor.randn(8, 12, device_mesh=mesh, placements=[p]),
        "normal_": lambda p: dtensor.zeros(8, 12, device_mesh=mesh, placements=[p]).normal_(),
        "uniform_": lambda p: dtensor.zeros(8, 12, device_mesh=mesh, placements=[p]).uniform_(),
        "dropout": lambda p: F.dropout(dtensor.ones(8, 12, device_mesh=mesh, placements=[p])),
    }
    for name, make in makers.items():
        replicated = draw(Replicate(), make)
        assert torch.equal(draw(Replicate(), make), replicated), name
        assert replicated.unique().numel() > 1, name
        for placement in (Shard(0), Shard(1)):
            sharded = draw(placement, make)
            assert torch.equal(draw(placement, make), sharded), name
            pieces = sharded.chunk(me.size, placement.dim)
            assert not torch.equal(pieces[0], pieces[1]), (name, placement)
        torch.manual_seed(7)
        first = make(Shard(0)).full_tensor()
        assert not torch.equal(make(Shard(0)).full_tensor(), first), name
        # All ranks agree on what is replicated, also after sharded draws.
        x = make(Replicate()).to_local()
        copies = [torch.empty_like(x) for _ in range(me.size)]
        dist.all_gather(copies, x)
        assert all(torch.equal(copy, x) for copy in copies), name
    # Plain tensors are different on each rank only if the ranks seed differently.
    state = torch.get_device_module(me.device).get_rng_state() if me.device != "cpu" else None
    assert state is None or (state.dtype == torch.uint8 and state.numel() == 16)


@pytest.mark.skipif(DEVICE == "cpu", reason="DTensor wants a device with generators")
def test_random_operators(ranks):
    ranks.run(random_operators)


def two_dimensions(me):
    mesh = init_device_mesh(me.device, (2, 2), mesh_dim_names=("a", "b"))
    whole = seeded(9, 6)
    kinds = [Replicate(), Shard(0), Shard(1)]
    for first in kinds:
        for second in kinds:
            x = distribute_tensor(whole.to(me.device), mesh, [first, second])
            close(x.full_tensor(), whole)
            for target in ([Replicate(), Replicate()], [Shard(0), Shard(1)], [Shard(1), Shard(0)],
                           [Shard(0), Shard(0)]):
                close(x.redistribute(mesh, target).full_tensor(), whole)
    x = DTensor.from_local(torch.ones(4, 4, device=me.device), mesh, [Partial(), Shard(0)])
    assert (x.full_tensor() == 2).all() and x.shape == (8, 4)


def test_two_dimensional_mesh(four):
    four.run(two_dimensions)


def modules(me):
    mesh = line(me)
    torch.manual_seed(0)
    reference = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 4))
    model = distribute_module(copy.deepcopy(reference).to(me.device), mesh)
    assert all(isinstance(p, DTensor) for p in model.parameters())
    x = seeded(5, 6, seed=3)
    y = model(distribute_tensor(x.to(me.device), mesh, [Replicate()]))
    close(y.full_tensor(), reference(x), rtol=1e-5, atol=1e-5)


def test_distribute_module(ranks):
    ranks.run(modules)


# Tensor parallelism


class Block(nn.Module):
    def __init__(self, size=16):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.up = nn.Linear(size, 4 * size)
        self.down = nn.Linear(4 * size, size)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Network(nn.Module):
    def __init__(self, words=32, size=16):
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.blocks = nn.ModuleList(Block(size) for _ in range(2))
        self.head = nn.Linear(size, words, bias=False)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def make_network():
    torch.manual_seed(0)
    return Network()


def plan(model, mesh, sequence):
    for block in model.blocks:
        layers = {"up": ColwiseParallel(), "down": RowwiseParallel()}
        if sequence:
            layers = {
                "norm": SequenceParallel(),
                "up": ColwiseParallel(input_layouts=Shard(1)),
                "down": RowwiseParallel(output_layouts=Shard(1)),
            }
        parallelize_module(block, mesh, layers)
    return parallelize_module(model, mesh, {
        "embedding": RowwiseParallel(
            input_layouts=Replicate(), output_layouts=Shard(1) if sequence else Replicate()),
        "head": ColwiseParallel(
            input_layouts=Shard(1) if sequence else Replicate(),
            output_layouts=Shard(-1), use_local_output=False),
    })


def tensor_parallel(me, sequence):
    mesh = line(me)
    reference = make_network()
    model = plan(copy.deepcopy(reference).to(me.device), mesh, sequence)
    generator = torch.Generator().manual_seed(5)
    tokens = torch.randint(0, 32, (3, 8), generator=generator)
    targets = torch.randint(0, 32, (3, 8), generator=generator)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, foreach=False)
    reference_optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-2)
    for _ in range(3):
        logits = model(tokens.to(me.device))
        with loss_parallel():
            loss = F.cross_entropy(logits.flatten(0, 1), targets.to(me.device).flatten())
            loss.backward()
        expected = F.cross_entropy(reference(tokens).flatten(0, 1), targets.flatten())
        expected.backward()
        close(loss.full_tensor(), expected, rtol=1e-4, atol=1e-5)
        for (name, p), q in zip(model.named_parameters(), reference.parameters()):
            grad = p.grad.full_tensor() if isinstance(p.grad, DTensor) else p.grad
            close(grad, q.grad, rtol=1e-3, atol=1e-5)
        for optim in (optimizer, reference_optimizer):
            optim.step()
            optim.zero_grad()


@pytest.mark.parametrize("sequence", [False, True], ids=["plain", "sequence"])
def test_tensor_parallel(ranks, sequence):
    ranks.run(tensor_parallel, sequence)


def prepared_input(me):
    mesh = line(me)
    torch.manual_seed(0)
    reference = nn.Sequential(nn.Linear(8, 8))
    model = parallelize_module(
        copy.deepcopy(reference).to(me.device), mesh,
        {"": PrepareModuleInput(input_layouts=Shard(0), desired_input_layouts=Replicate()),
         "0": ColwiseParallel()})
    x = seeded(2 * me.size, 8)
    y = model(x.chunk(me.size)[me.rank].to(me.device))
    close(y, reference(x).chunk(me.size, 1)[me.rank], rtol=1e-5, atol=1e-5)


def test_prepare_module_input(ranks):
    ranks.run(prepared_input)


def fsdp_and_tensor_parallel(me):
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(me.device, (2, 2), mesh_dim_names=("data", "tensor"))
    reference = make_network()
    model = plan(copy.deepcopy(reference).to(me.device), mesh["tensor"], True)
    for block in model.blocks:
        fully_shard(block, mesh=mesh["data"])
    fully_shard(model, mesh=mesh["data"])
    generator = torch.Generator().manual_seed(5)
    tokens = torch.randint(0, 32, (4, 8), generator=generator)
    targets = torch.randint(0, 32, (4, 8), generator=generator)
    mine = slice(2 * (me.rank // 2), 2 * (me.rank // 2) + 2)  # of the batch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    reference_optimizer = torch.optim.SGD(reference.parameters(), lr=0.1)
    for _ in range(3):
        logits = model(tokens[mine].to(me.device))
        with loss_parallel():
            loss = F.cross_entropy(
                logits.flatten(0, 1), targets[mine].to(me.device).flatten())
            loss.backward()
        F.cross_entropy(reference(tokens).flatten(0, 1), targets.flatten()).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        expected = torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
        close(norm.full_tensor(), expected, rtol=1e-4, atol=1e-5)
        for optim in (optimizer, reference_optimizer):
            optim.step()
            optim.zero_grad()
    for p, q in zip(model.parameters(), reference.parameters()):
        close(p.full_tensor(), q, rtol=1e-4, atol=1e-5)


def test_fsdp_with_tensor_parallel(four):
    four.run(fsdp_and_tensor_parallel)


# Functional collectives


def functional(me):
    group = dist.group.WORLD
    rank, size = me.rank, me.size
    x = torch.full((4,), float(rank + 1), device=me.device)
    total = size * (size + 1) / 2

    y = funcol.all_reduce(x, "sum", group)
    assert isinstance(y, funcol.AsyncCollectiveTensor)
    assert (y + 1 == total + 1).all() and (x == rank + 1).all()
    assert (funcol.all_reduce(x, "avg", group) == total / size).all()
    assert (funcol.wait_tensor(funcol.all_reduce(x, "max", group)) == size).all()
    assert (funcol.broadcast(x, 1, group) == 2).all()

    y = funcol.all_gather_tensor(x, gather_dim=0, group=group)
    assert y.tolist() == [float(r + 1) for r in range(size) for _ in range(4)]
    m = torch.full((2, 3), float(rank), device=me.device)
    y = funcol.all_gather_tensor(m, gather_dim=1, group=group)
    assert y.shape == (2, 3 * size) and y[0, ::3].tolist() == list(range(size))
    big = torch.arange(4.0 * size, device=me.device) + rank
    y = funcol.reduce_scatter_tensor(big, "sum", scatter_dim=0, group=group)
    assert y.tolist() == [size * (4 * rank + i) + total - size for i in range(4)]
    y = funcol.reduce_scatter_tensor(big.view(2, -1), "sum", scatter_dim=1, group=group)
    assert y.shape == (2, 2)
    y = funcol.all_to_all_single(big, None, None, group)
    assert y.tolist() == [4.0 * rank + i + r for r in range(size) for i in range(4)]
    sends = [i + 1 for i in range(size)]
    y = funcol.all_to_all_single(
        torch.full((sum(sends),), float(rank), device=me.device), [rank + 1] * size, sends, group)
    assert y.tolist() == [float(r) for r in range(size) for _ in range(rank + 1)]
    y = funcol.permute_tensor(x, [(r + 1) % size for r in range(size)], group)
    assert (y == (rank - 1) % size + 1).all()

    a, b = funcol.all_reduce_coalesced([x, 2 * x], "sum", group)
    assert (a == total).all() and (b == 2 * total).all()
    a, b = funcol.all_gather_into_tensor_coalesced([x, 2 * x], group)
    assert (b == 2 * a).all() and a.shape == (4 * size,)
    a, b = funcol.reduce_scatter_tensor_coalesced([big, 2 * big], "sum", [0, 0], group)
    assert (b == 2 * a).all() and a.shape == (4,)

    # A group may be given by ranks, by name, and as a mesh.
    mesh = line(me)
    for where in (list(range(size)), mesh, (mesh, 0), group.group_name):
        assert (funcol.all_reduce(x, "sum", where) == total).all()


def test_functional_collectives(ranks):
    ranks.run(functional)


def functional_gradients(me):
    group = dist.group.WORLD
    x = torch.full((2 * me.size,), 1.0 + me.rank, device=me.device, requires_grad=True)
    y = funcol.all_to_all_single_autograd(x, None, None, group)
    (y * (me.rank + 1)).sum().backward()
    expected = [float(r + 1) for r in range(me.size) for _ in range(2)]
    assert x.grad.tolist() == expected
    x.grad = None
    funcol.all_gather_tensor_autograd(x, 0, group).sum().backward()
    assert (x.grad == me.size).all()
    x.grad = None
    y = funcol.reduce_scatter_tensor_autograd(x, "sum", 0, group)
    (y * (me.rank + 1)).sum().backward()
    assert x.grad.tolist() == expected


def test_gradients_of_functional_collectives(ranks):
    ranks.run(functional_gradients)


def compiled(me):
    group = dist.group.WORLD

    def f(x, y):
        a = funcol.all_reduce(x, "sum", group) + 1
        b = funcol.all_gather_tensor(y * 2, 0, group)
        c = funcol.reduce_scatter_tensor(b, "sum", 0, group)
        d = funcol.all_to_all_single(b, None, None, group)
        e, g = funcol.all_reduce_coalesced([a, c], "sum", group)
        return a, b, c, d.sum() + e.sum() + g.sum()

    x = seeded(6, seed=me.rank).to(me.device)
    y = seeded(4, seed=10 + me.rank).to(me.device)
    expected = f(x, y)
    torch._dynamo.reset()
    actual = torch.compile(f, backend="aot_eager", fullgraph=True)(x, y)
    for one, other in zip(actual, expected):
        close(one, other)

    # torch.distributed's own calls are rewritten while they are traced.
    def g(x):
        x = x * 2
        dist.all_reduce(x)
        out = torch.empty(me.size * x.numel(), device=x.device)
        dist.all_gather_into_tensor(out, x)
        return out.sum() + x

    close(torch.compile(g, backend="aot_eager", fullgraph=True)(x), g(x))

    # And backward through a traced tensor-parallel module.
    mesh = line(me)
    torch.manual_seed(0)
    reference = Block()
    model = parallelize_module(
        copy.deepcopy(reference).to(me.device), mesh,
        {"up": ColwiseParallel(), "down": RowwiseParallel()})
    z = seeded(3, 16)
    out = torch.compile(model, backend="aot_eager")(z.to(me.device))
    out.square().sum().backward()
    reference(z).square().sum().backward()
    close(model.up.weight.grad.full_tensor(), reference.up.weight.grad, rtol=1e-4, atol=1e-4)


def test_compiled_collectives(ranks):
    ranks.run(compiled)


def comm_debug(me):
    from torch.distributed.tensor.debug import CommDebugMode

    mesh = line(me)
    x = distribute_tensor(seeded(8, 4).to(me.device), mesh, [Shard(0)])
    with CommDebugMode() as mode:
        x.redistribute(mesh, [Replicate()])
    assert mode.get_total_counts() == 1


def test_comm_debug_mode(ranks):
    ranks.run(comm_debug)
