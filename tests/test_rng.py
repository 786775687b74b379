"""Random numbers: seeds, states, devices, distributions, every operator with a generator."""

import math
import textwrap
import threading
import warnings

import pytest
import torch
import torch.utils.checkpoint

from engine import several
from process import check

xl = torch.xpu_lite
DEV = "xpu_lite"
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
WIDE = [torch.uint16, torch.uint32, torch.uint64]


def new(dtype=torch.float32, n=1000):
    return torch.empty(n, dtype=dtype, device=DEV)


def gen(seed=7):
    return torch.Generator(device=DEV).manual_seed(seed)


def equal(a, b):
    if isinstance(a, tuple):
        return all(equal(x, y) for x, y in zip(a, b))
    return torch.equal(torch.nan_to_num(a.cpu().double()), torch.nan_to_num(b.cpu().double()))


# --- Every operator with a generator ----------------------------------------------------
# name -> call(generator); None means the default generator.

PROBS = torch.linspace(0.05, 0.95, 1000)
ROWS = torch.rand(8, 200, generator=torch.Generator().manual_seed(1)) + 0.01


def _dev(t):
    return t.to(DEV)


def _rrelu(kind):
    def call(g):
        x, noise = _dev(torch.linspace(-3, 3, 1000)), new()
        if kind == "out":
            out = torch._C._nn.rrelu_with_noise(x, noise, 0.1, 0.3, True, g, out=new())
        elif kind == "inplace":
            out = torch._C._nn.rrelu_with_noise_(x, noise, 0.1, 0.3, True, g)
        else:
            out = torch._C._nn.rrelu_with_noise(x, noise, 0.1, 0.3, True, g)
        return out, noise
    return call


CALLS = {
    "uniform_": lambda g: new().uniform_(generator=g),
    "normal_": lambda g: new().normal_(generator=g),
    "log_normal_": lambda g: new().log_normal_(generator=g),
    "exponential_": lambda g: new().exponential_(generator=g),
    "cauchy_": lambda g: new().cauchy_(generator=g),
    "geometric_": lambda g: new().geometric_(0.1, generator=g),
    "random_": lambda g: new(torch.int64).random_(generator=g),
    "random_.to": lambda g: new(torch.int64).random_(1000, generator=g),
    "random_.from": lambda g: new(torch.int64).random_(-50, 1000, generator=g),
    "bernoulli_.float": lambda g: new().bernoulli_(0.3, generator=g),
    "bernoulli_.Tensor": lambda g: new().bernoulli_(_dev(PROBS), generator=g),
    "bernoulli": lambda g: torch.bernoulli(_dev(PROBS), generator=g),
    "bernoulli.out": lambda g: torch.bernoulli(_dev(PROBS), generator=g, out=new()),
    "bernoulli.p": lambda g: torch.ops.aten.bernoulli.p(new(), 0.5, generator=g),
    "bernoulli.Tensor": lambda g: torch.ops.aten.bernoulli.Tensor(new(), _dev(PROBS), generator=g),
    "rand.generator": lambda g: torch.rand(1000, device=DEV, generator=g),
    "rand.generator_out": lambda g: torch.rand(1000, generator=g, out=new()),
    "rand_like.generator": lambda g: torch.ops.aten.rand_like.generator(new(), generator=g),
    "randn.generator": lambda g: torch.randn(1000, device=DEV, generator=g),
    "randn.generator_out": lambda g: torch.randn(1000, generator=g, out=new()),
    "randn_like.generator": lambda g: torch.ops.aten.randn_like.generator(new(), generator=g),
    "randint.generator": lambda g: torch.randint(1000, (1000,), device=DEV, generator=g),
    "randint.low_generator": lambda g: torch.randint(-9, 1000, (1000,), device=DEV, generator=g),
    "randint.generator_out": lambda g: torch.randint(1000, (1000,), generator=g, out=new(torch.int64)),
    "randint.low_generator_out":
        lambda g: torch.randint(-9, 1000, (1000,), generator=g, out=new(torch.int64)),
    "randint_like.Tensor_generator": lambda g: torch.ops.aten.randint_like.Tensor_generator(
        new(), torch.tensor(1000), generator=g),
    "randint_like.generator": lambda g: torch.ops.aten.randint_like.generator(new(), 1000, generator=g),
    "randint_like.low_generator_dtype":
        lambda g: torch.ops.aten.randint_like.low_generator_dtype(new(), 5, 1000, generator=g),
    "randperm.generator": lambda g: torch.randperm(1000, device=DEV, generator=g),
    "randperm.generator_out": lambda g: torch.randperm(1000, generator=g, out=new(torch.int64)),
    "normal.Tensor_float": lambda g: torch.normal(_dev(PROBS), 0.5, generator=g),
    "normal.float_Tensor": lambda g: torch.normal(0.5, _dev(PROBS), generator=g),
    "normal.Tensor_Tensor": lambda g: torch.normal(_dev(PROBS), _dev(PROBS), generator=g),
    "normal.float_float": lambda g: torch.normal(0.5, 2.0, (1000,), device=DEV, generator=g),
    "normal.Tensor_float_out": lambda g: torch.normal(_dev(PROBS), 0.5, generator=g, out=new()),
    "normal.float_Tensor_out": lambda g: torch.normal(0.5, _dev(PROBS), generator=g, out=new()),
    "normal.Tensor_Tensor_out":
        lambda g: torch.normal(_dev(PROBS), _dev(PROBS), generator=g, out=new()),
    "normal.float_float_out": lambda g: torch.normal(0.5, 2.0, (1000,), generator=g, out=new()),
    "normal_functional": lambda g: torch.ops.aten.normal_functional(new(), 0., 1., generator=g),
    "multinomial": lambda g: torch.multinomial(_dev(ROWS), 50, generator=g),
    "multinomial.replacement": lambda g: torch.multinomial(_dev(ROWS), 50, True, generator=g),
    "multinomial.out": lambda g: torch.multinomial(
        _dev(ROWS), 50, True, generator=g, out=new(torch.int64, 0)),
    "poisson": lambda g: torch.poisson(_dev(PROBS * 20), generator=g),
    "binomial": lambda g: torch.binomial(torch.full_like(_dev(PROBS), 30), _dev(PROBS), generator=g),
    "_standard_gamma": lambda g: torch._standard_gamma(_dev(PROBS * 5), g),
    "_sample_dirichlet": lambda g: torch._sample_dirichlet(_dev(ROWS * 5), g),
    "rrelu_with_noise": _rrelu("plain"),
    "rrelu_with_noise_": _rrelu("inplace"),
    "rrelu_with_noise.out": _rrelu("out"),
    "rrelu": lambda g: torch.ops.aten.rrelu(_dev(torch.linspace(-3, 3, 1000)), 0.1, 0.3, True, g),
    "rrelu_": lambda g: torch.ops.aten.rrelu_(_dev(torch.linspace(-3, 3, 1000)), 0.1, 0.3, True, g),
    "_fused_dropout": lambda g: torch._fused_dropout(torch.ones(1000, device=DEV), 0.6, g),
}
# Made by torch from the in-place operators: one is enough to see that they arrive.
FUNCTIONAL = {
    name: (lambda g, dtype=dtype, op=op, args=args: op(new(dtype), *args, generator=g))
    for name, dtype, op, args in [
        ("uniform", torch.float32, torch.ops.aten.uniform, ()),
        ("cauchy", torch.float32, torch.ops.aten.cauchy, ()),
        ("log_normal", torch.float32, torch.ops.aten.log_normal, ()),
        ("exponential", torch.float32, torch.ops.aten.exponential, ()),
        ("geometric", torch.float32, torch.ops.aten.geometric, (0.2,)),
        ("random", torch.int64, torch.ops.aten.random, ()),
        ("random.to", torch.int64, torch.ops.aten.random.to, (1000,)),
        ("random.from", torch.int64, getattr(torch.ops.aten.random, "from"), (3, 1000)),
    ]
}
CALLS.update(FUNCTIONAL)
# Draw without a generator argument.
WITHOUT_ARGUMENT = {
    "native_dropout": lambda: torch.native_dropout(torch.ones(1000, device=DEV), 0.4, True),
    "dropout": lambda: torch.nn.functional.dropout(torch.ones(1000, device=DEV), 0.4),
    "dropout2d": lambda: torch.nn.functional.dropout2d(torch.ones(4, 50, 3, 3, device=DEV), 0.4),
    "alpha_dropout": lambda: torch.nn.functional.alpha_dropout(
        torch.ones(1000, device=DEV), 0.4, training=True),
    "gumbel_softmax": lambda: torch.nn.functional.gumbel_softmax(torch.ones(9, 50, device=DEV)),
    "rrelu": lambda: torch.nn.functional.rrelu(-torch.ones(1000, device=DEV), training=True),
    "fractional_max_pool": lambda: torch.nn.functional.fractional_max_pool2d(
        torch.arange(2 * 3 * 441., device=DEV).reshape(2, 3, 21, 21), 2, output_size=(8, 8)),
}


@pytest.mark.parametrize("name", CALLS)
def test_operator_honours_its_generator(name):
    call, g = CALLS[name], gen(5)
    cpu, default = torch.get_rng_state(), xl.get_rng_state()
    first, second = call(g), call(g)
    again = call(gen(5))
    other = call(gen(6))
    out = first[0] if isinstance(first, tuple) else first
    assert out.device.type == DEV
    assert equal(first, again), "the seed does not decide the numbers"
    assert not equal(first, second), "the generator did not advance"
    assert not equal(first, other), "the seed does not matter"
    assert g.get_offset() > 0 and g.get_offset() % 4 == 0
    assert torch.equal(cpu, torch.get_rng_state()), "drew from the CPU's generator"
    assert torch.equal(default, xl.get_rng_state()), "drew from the default generator"


@pytest.mark.parametrize("name", CALLS)
def test_operator_uses_the_default_generator(name):
    call = CALLS[name]
    cpu = torch.get_rng_state()
    xl.manual_seed(5)
    first = call(None)
    assert xl.default_generators[0].get_offset() > 0
    xl.manual_seed(5)
    assert equal(first, call(None))
    assert equal(first, call(gen(5)))
    assert torch.equal(cpu, torch.get_rng_state())


@pytest.mark.parametrize("name", WITHOUT_ARGUMENT)
def test_operator_without_generator_argument(name):
    call = WITHOUT_ARGUMENT[name]
    cpu = torch.get_rng_state()
    xl.manual_seed(5)
    first, second = call(), call()
    xl.manual_seed(5)
    assert equal(first, call()) and not equal(first, second)
    assert torch.equal(cpu, torch.get_rng_state())


@pytest.mark.parametrize("name", CALLS)
def test_generator_of_the_cpu_is_an_error(name):
    with pytest.raises(RuntimeError, match="xpu_lite.*generator.*cpu"):
        CALLS[name](torch.Generator())


def test_every_operator_with_a_generator_is_in_this_file():
    from pathlib import Path

    import torchgen
    from torchgen.gen import parse_native_yaml

    folder = Path(torchgen.__file__).parent / "packaged/ATen/native"
    functions = parse_native_yaml(folder / "native_functions.yaml", folder / "tags.yaml")
    # What torch generates (out= and functional forms) ends in one of the others.
    named = {str(f.func.name) for f in functions.native_functions
             if "Generator" in str(f.func) and "generated" not in f.tags}
    assert len(named) > 40 and named - set(CALLS) == set()


# --- Generators ------------------------------------------------------------------------


def test_torch_manual_seed_seeds_the_device():
    torch.manual_seed(123)
    a = torch.randn(100, device=DEV)
    assert xl.initial_seed() == 123
    torch.manual_seed(123)
    assert torch.equal(a, torch.randn(100, device=DEV))
    torch.manual_seed(124)
    assert not torch.equal(a, torch.randn(100, device=DEV))


def test_negative_and_large_seeds():
    for seed in (-1, 2**63 - 1, 2**64 - 1):
        a = torch.rand(10, device=DEV, generator=gen(seed))
        assert torch.equal(a, torch.rand(10, device=DEV, generator=gen(seed)))


def test_upper_half_of_the_seed_matters():
    a = torch.rand(10, device=DEV, generator=gen(1))
    assert not torch.equal(a, torch.rand(10, device=DEV, generator=gen(1 + 2**40)))


def test_state_is_seed_and_offset():
    g = gen(0x0102030405060708)
    torch.rand(1000, device=DEV, generator=g)
    state = g.get_state()
    assert state.device.type == "cpu" and state.dtype == torch.uint8 and state.shape == (16,)
    seed, offset = state.view(torch.int64).tolist()
    assert seed == 0x0102030405060708 == g.initial_seed()
    assert offset == g.get_offset() == 4


def test_state_round_trip():
    g = gen()
    torch.rand(10, device=DEV, generator=g)
    state = g.get_state()
    a = torch.randn(1001, device=DEV, generator=g)
    g.set_state(state)
    assert torch.equal(a, torch.randn(1001, device=DEV, generator=g))
    other = torch.Generator(DEV)
    other.set_state(state)
    assert torch.equal(a, torch.randn(1001, device=DEV, generator=other))


def test_state_of_dtensor():
    # What DTensor's offset based tracker does: it edits the bytes of the state.
    xl.manual_seed(11)
    state = xl.get_rng_state()
    state[8:] = torch.tensor([64], dtype=torch.int64).view(torch.uint8)
    xl.set_rng_state(state)
    a = torch.rand(10, device=DEV)
    assert xl.get_rng_state()[8:].view(torch.int64).item() == 68
    g = gen(11)
    g.set_offset(64)
    assert torch.equal(a, torch.rand(10, device=DEV, generator=g))


@pytest.mark.parametrize("state", [
    torch.zeros(8, dtype=torch.uint8), torch.zeros(5056, dtype=torch.uint8),
    torch.zeros(2, dtype=torch.int64),
    torch.tensor([0] * 8 + [3] + [0] * 7, dtype=torch.uint8),
])
def test_bad_state_is_an_error(state):
    g = gen()
    before = g.get_state()
    with pytest.raises((RuntimeError, TypeError)):
        g.set_state(state)
    assert torch.equal(g.get_state(), before)


def test_offset_must_be_a_multiple_of_4():
    g = gen()
    with pytest.raises(RuntimeError, match="multiple of 4, got 6"):
        g.set_offset(6)
    g.set_offset(8)
    assert g.get_offset() == 8


def test_offset_counts_calls_not_elements():
    g = gen()
    torch.rand(1, device=DEV, generator=g)
    torch.rand(100_000, device=DEV, generator=g)
    assert g.get_offset() == 8


def test_manual_seed_resets_the_offset():
    g = gen()
    torch.rand(5, device=DEV, generator=g)
    assert g.manual_seed(7) is g and g.get_offset() == 0


def test_seed_draws_a_new_seed():
    g = gen()
    assert g.seed() == g.initial_seed() != 7


def test_clone_and_graphsafe_state():
    g = gen()
    clone, shared = g.clone_state(), g.graphsafe_get_state()
    a = torch.rand(9, device=DEV, generator=g)
    assert clone.get_offset() == 0 and shared.get_offset() == 4
    assert torch.equal(a, torch.rand(9, device=DEV, generator=clone))
    other = torch.Generator(DEV)
    other.graphsafe_set_state(g.graphsafe_get_state())
    torch.rand(9, device=DEV, generator=other)
    assert g.get_offset() == 8


def test_generator_device():
    assert torch.Generator(DEV).device == torch.device(DEV, 0)
    assert xl.default_generators[0].device == torch.device(DEV, 0)
    with pytest.raises((RuntimeError, ValueError)):
        torch.Generator(f"{DEV}:99")


def test_fork_rng():
    xl.manual_seed(3)
    with torch.random.fork_rng(devices=[0], device_type=DEV):
        a = torch.rand(5, device=DEV)
        xl.manual_seed(99)
        torch.rand(5, device=DEV)
    assert torch.equal(a, torch.rand(5, device=DEV))


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpoint_replays_dropout(use_reentrant):
    x = torch.randn(64, 64, device=DEV, requires_grad=True)

    def body(t):
        return torch.nn.functional.dropout(t, 0.5)

    y = torch.utils.checkpoint.checkpoint(body, x, use_reentrant=use_reentrant)
    y.sum().backward()
    kept = y.detach() != 0
    assert torch.equal(kept.cpu(), (x.grad != 0).cpu())
    assert 0.3 < kept.float().mean().item() < 0.7


def test_threads_draw_disjoint_numbers():
    g, results = gen(), []

    def work():
        for _ in range(50):
            results.append(torch.rand(4, device=DEV, generator=g))

    threads = [threading.Thread(target=work) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert g.get_offset() == 4 * 200
    assert len({tuple(r.tolist()) for r in results}) == 200


def test_numbers_are_taken_when_the_operator_is_called():
    g = gen()
    side = xl.Stream()
    with xl.stream(side):
        a = torch.randn(5000, device=DEV, generator=g)
    b = torch.randn(5000, device=DEV, generator=g)
    side.synchronize()
    g.manual_seed(7)
    assert torch.equal(a, torch.randn(5000, device=DEV, generator=g))
    assert torch.equal(b, torch.randn(5000, device=DEV, generator=g))


# --- Independence of threads, instruction set and layout --------------------------------

SUMS = """
    import hashlib, torch
    import torch_xpu_lite
    g = torch.Generator("xpu_lite")
    h = hashlib.sha256()
    def add(*ts):
        for t in ts: h.update(t.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        e = lambda: torch.empty(70001, dtype=dtype, device="xpu_lite")
        g.manual_seed(42)
        add(e().uniform_(-1, 3, generator=g), e().normal_(1, 2, generator=g),
            e().log_normal_(generator=g), e().exponential_(generator=g),
            e().cauchy_(generator=g), e().geometric_(0.2, generator=g),
            e().bernoulli_(0.3, generator=g), e().random_(0, 100, generator=g))
        torch.manual_seed(1)
        add(*torch.native_dropout(torch.ones_like(e()), 0.3, True))
    add(torch.randint(2**40, (70001,), device="xpu_lite", generator=g),
        torch.randperm(5000, device="xpu_lite", generator=g),
        torch.poisson(torch.full((5000,), 20., device="xpu_lite"), generator=g),
        torch.multinomial(torch.ones(5000, device="xpu_lite"), 100, generator=g))
    print(h.hexdigest())
"""


def test_thread_count_does_not_matter():
    sums = {check(f"import torch; torch.set_num_threads({n})\n" + textwrap.dedent(SUMS))
            for n in (1, 2, 3)}
    assert len(sums) == 1


def test_instruction_set_does_not_matter():
    assert check(SUMS, XPU_LITE_ISA="avx2") == check(SUMS, XPU_LITE_ISA=None)


def test_elements_are_numbered_in_logical_order():
    a = torch.empty(30, 20, device=DEV).normal_(generator=gen())
    assert torch.equal(a, torch.empty(20, 30, device=DEV).t().normal_(generator=gen()))
    holder = torch.zeros(30, 40, device=DEV)
    holder[:, ::2].normal_(generator=gen())
    assert torch.equal(a, holder[:, ::2]) and holder[:, 1::2].count_nonzero() == 0
    assert torch.equal(a.flatten()[:100], torch.empty(100, device=DEV).normal_(generator=gen()))


def test_devices_have_generators_of_their_own():
    check("""
        import torch, torch_xpu_lite
        x = torch.xpu_lite
        assert x.device_count() == 2
        torch.manual_seed(5)
        a = torch.rand(100, device="xpu_lite:0")
        b = torch.rand(100, device="xpu_lite:1")
        assert torch.equal(a.cpu(), b.cpu()), "the same seed, the same numbers"
        states = x.get_rng_state_all()
        x.manual_seed_all(9)
        torch.rand(5, device="xpu_lite:1")
        assert [g.get_offset() for g in x.default_generators] == [0, 4]
        x.set_rng_state_all(states)
        assert [g.initial_seed() for g in x.default_generators] == [5, 5]
        g = torch.Generator("xpu_lite:1")
        assert torch.rand(3, device="xpu_lite:1", generator=g).device.index == 1
        for call in (lambda: torch.rand(3, device="xpu_lite:0", generator=g),
                     lambda: torch.randperm(3, device="xpu_lite:0", generator=g)):
            try:
                call()
            except RuntimeError as e:
                assert "xpu_lite:0" in str(e) and "xpu_lite:1" in str(e), e
            else:
                raise SystemExit("a generator of another device was taken")
    """, XPU_LITE_DEVICES=several(2))


# --- Distributions ----------------------------------------------------------------------

N = 200_000


def ks(sample, cdf):
    """Largest distance between the sample's and the exact distribution, times sqrt n."""
    x = sample.cpu().double().sort().values
    exact = cdf(x)
    n = len(x)
    grid = torch.arange(n, dtype=torch.double)
    gap = torch.maximum((exact - grid / n).abs(), ((grid + 1) / n - exact).abs()).max()
    return gap.item() * math.sqrt(n)


CONTINUOUS = {
    "uniform_": ((-2.0, 3.0), lambda x: (x + 2) / 5),
    "normal_": ((1.0, 2.0), lambda x: torch.special.ndtr((x - 1) / 2)),
    "log_normal_": ((0.5, 0.75), lambda x: torch.special.ndtr((x.log() - 0.5) / 0.75)),
    "exponential_": ((1.5,), lambda x: 1 - (-1.5 * x).exp()),
    "cauchy_": ((0.5, 2.0), lambda x: 0.5 + ((x - 0.5) / 2).atan() / math.pi),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_distribution(name, dtype):
    arguments, cdf = CONTINUOUS[name]
    x = getattr(torch.empty(N, dtype=dtype, device=DEV), name)(*arguments, generator=gen())
    # 1.95 is exceeded by one seed in a thousand.
    assert ks(x, cdf) < 1.95


@pytest.mark.parametrize("dtype", FLOATS)
def test_mean_and_spread(dtype):
    x = torch.empty(N, dtype=dtype, device=DEV).normal_(1, 2, generator=gen()).double()
    assert abs(x.mean().item() - 1) < 0.02 and abs(x.std().item() - 2) < 0.02
    u = torch.empty(N, dtype=dtype, device=DEV).uniform_(generator=gen()).double()
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean().item() - 0.5) < 0.005 and abs(u.var().item() - 1 / 12) < 0.002


def test_normal_neighbours_are_independent():
    x = torch.randn(N, device=DEV, generator=gen()).double()
    for lag in (1, 2, 3, 4, 5):
        assert abs((x[:-lag] * x[lag:]).mean().item()) < 4 / math.sqrt(N)
        assert abs(((x[:-lag] ** 2 - 1) * (x[lag:] ** 2 - 1)).mean().item()) < 8 / math.sqrt(N)


def test_normal_has_tails():
    x = torch.randn(4_000_000, device=DEV, generator=gen())
    assert 4.5 < x.max().item() < 7 and -7 < x.min().item() < -4.5
    assert torch.isfinite(x).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_never_reaches_its_upper_bound(dtype):
    # 1000 and 1001 have few numbers between them in the narrow types.
    x = torch.empty(N, dtype=dtype, device=DEV).uniform_(1000, 1008, generator=gen())
    assert x.min() >= 1000 and x.max() < 1008


@pytest.mark.parametrize("dtype", FLOATS)
def test_exponential_is_never_zero(dtype):
    x = torch.empty(N * 5, dtype=dtype, device=DEV).exponential_(generator=gen())
    assert (x > 0).all() and torch.isfinite(x).all()


@pytest.mark.parametrize("dtype", FLOATS + INTS)
def test_geometric(dtype):
    x = torch.empty(N, dtype=dtype, device=DEV).geometric_(0.25, generator=gen()).cpu().double()
    assert x.min() == 1
    for k in range(1, 6):
        share = (x == k).double().mean().item()
        assert abs(share - 0.25 * 0.75 ** (k - 1)) < 0.005


@pytest.mark.parametrize("dtype", FLOATS + INTS + [torch.bool])
def test_bernoulli_share(dtype):
    x = torch.empty(N, dtype=dtype, device=DEV).bernoulli_(0.3, generator=gen()).cpu().double()
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert abs(x.mean().item() - 0.3) < 0.005
    p = torch.full((N,), 0.8, device=DEV)
    y = torch.empty(N, dtype=dtype, device=DEV).bernoulli_(p, generator=gen()).cpu().double()
    assert abs(y.mean().item() - 0.8) < 0.005


def test_bernoulli_certain():
    assert (torch.empty(N, device=DEV).bernoulli_(1.0) == 1).all()
    assert (torch.empty(N, device=DEV).bernoulli_(0.0) == 0).all()
    assert (torch.bernoulli(torch.ones(N, device=DEV)) == 1).all()


@pytest.mark.parametrize("dtype", INTS + WIDE + FLOATS + [torch.bool])
def test_random_default_range(dtype):
    x = torch.empty(N, dtype=dtype, device=DEV).random_(generator=gen()).cpu().double()
    if dtype == torch.bool:
        top = 1
    elif dtype.is_floating_point:
        top = {torch.float16: 2**11, torch.bfloat16: 2**8, torch.float32: 2**24,
               torch.float64: 2**53}[dtype]
    else:
        top = torch.iinfo(dtype).max
    assert x.min() >= 0 and x.max() <= top
    assert abs(x.mean().item() / top - 0.5) < 0.005
    assert x.max() >= top * 0.99


@pytest.mark.parametrize("dtype", INTS + FLOATS)
def test_random_from_to(dtype):
    x = torch.empty(N, dtype=dtype, device=DEV).random_(3, 100, generator=gen()).cpu().long()
    assert x.min() == 3 and x.max() == 99
    counts = torch.bincount(x, minlength=100)[3:].double()
    expected = N / 97
    chi2 = ((counts - expected) ** 2 / expected).sum().item()
    assert chi2 < 96 + 5 * math.sqrt(2 * 96)


def test_random_wide_ranges():
    x = torch.empty(N, dtype=torch.int64, device=DEV)
    x.random_(-(2**63), None, generator=gen())
    assert x.min() < -(2**62) and x.max() > 2**62
    x.random_(-(2**62), 2**62, generator=gen())
    assert -(2**62) <= x.min() < -(2**61) and 2**61 < x.max() < 2**62
    x.random_(2**40, 2**40 + 5, generator=gen())
    assert set(x.unique().tolist()) == {2**40 + i for i in range(5)}


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex(dtype):
    z = torch.randn(N, dtype=dtype, device=DEV, generator=gen()).cpu()
    assert abs(z.abs().square().mean().item() - 1) < 0.02
    assert abs(z.real.var().item() - 0.5) < 0.01 and abs(z.imag.var().item() - 0.5) < 0.01


def test_randperm_is_a_permutation():
    for n in (0, 1, 2, 1000):
        assert torch.randperm(n, device=DEV).sort().values.tolist() == list(range(n))
    with pytest.raises(RuntimeError):
        torch.randperm(-1, device=DEV)


def test_sampler_moments():
    ones = torch.ones(N, device=DEV)
    assert abs(torch.poisson(ones * 12).mean().item() - 12) < 0.1
    assert abs(torch.binomial(ones * 30, ones * 0.4).mean().item() - 12) < 0.1
    assert abs(torch._standard_gamma(ones * 4).mean().item() - 4) < 0.05
    d = torch._sample_dirichlet(torch.ones(1000, 4, device=DEV))
    assert torch.allclose(d.sum(-1).cpu(), torch.ones(1000))
    m = torch.multinomial(torch.tensor([1., 3.], device=DEV), N, True)
    assert abs(m.double().mean().item() - 0.75) < 0.01


# --- Dropout ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1000,), (7, 130, 3), (2, 16, 9, 9)])
def test_native_dropout(dtype, shape):
    x = torch.randn(shape, dtype=dtype, device=DEV)
    if len(shape) == 4:
        x = x.to(memory_format=torch.channels_last)
    y, mask = torch.native_dropout(x, 0.25, True)
    assert mask.dtype == torch.bool and y.dtype == dtype and y.stride() == x.stride()
    scale = torch.tensor(1 / 0.75)
    expected = (x.cpu().double() * mask.cpu() * scale).to(dtype)
    torch.testing.assert_close(y.cpu(), expected)
    grad = torch.randn(shape, dtype=dtype, device=DEV)
    back = torch.ops.aten.native_dropout_backward(grad, mask, 1 / 0.75)
    torch.testing.assert_close(back.cpu(), (grad.cpu().double() * mask.cpu() * scale).to(dtype))


def test_dropout_module_and_gradient():
    x = torch.ones(100, 1000, device=DEV, requires_grad=True)
    y = torch.nn.Dropout(0.1)(x)
    y.backward(torch.ones_like(y))
    assert abs((y != 0).float().mean().item() - 0.9) < 0.01
    assert torch.equal(x.grad, y.detach())
    assert torch.equal(torch.nn.Dropout(0.1).eval()(x), x)


@pytest.mark.parametrize("p, kept", [(0.0, 1), (1.0, 0)])
def test_dropout_extremes(p, kept):
    y, mask = torch.native_dropout(torch.ones(500, device=DEV), p, True)
    assert (y == kept).all() and (mask == bool(kept)).all()


def test_dropout_without_training_and_of_nothing():
    x = torch.randn(9, device=DEV)
    y, mask = torch.native_dropout(x, 0.5, False)
    assert torch.equal(x, y) and mask.all() and y.data_ptr() != x.data_ptr()
    y, mask = torch.native_dropout(torch.empty(0, 4, device=DEV), 0.5, True)
    assert y.shape == mask.shape == (0, 4)
    with pytest.raises(RuntimeError, match="native_dropout.*1.5"):
        torch.native_dropout(x, 1.5, True)


def test_fused_dropout_and_masked_scale():
    x = torch.randn(5000, device=DEV)
    y, mask = torch._fused_dropout(x, 0.6, gen())
    assert mask.dtype == torch.uint8 and abs(mask.float().mean().item() - 0.6) < 0.03
    torch.testing.assert_close(y.cpu(), x.cpu() * mask.cpu() / 0.6)
    z = torch._masked_scale(x, mask, 1 / 0.6)
    torch.testing.assert_close(y, z)
    with pytest.raises(RuntimeError, match="_masked_scale"):
        torch._masked_scale(x, mask.bool(), 2.0)


def test_dropout_shows_nan():
    y, mask = torch.native_dropout(torch.full((100,), math.nan, device=DEV), 0.5, True)
    assert y.isnan().all()


# --- Stateless keys (torch.func._random) --------------------------------------------------


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def test_model_meets_the_known_answer():
    out = philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0])
    assert out == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_key_split_and_fold_in():
    from torch.func import _random as R

    key = R.key(2**40 + 42, device=DEV)
    keys = R.split(key, 5)
    assert keys.shape == (5, 2) and keys.device.type == DEV
    for i in range(5):
        w = philox([i, 0, 0, 0], [42, 2**8])
        assert keys[i].tolist() == [w[0] | w[1] << 32, w[2] | w[3] << 32]
        assert torch.equal(R.fold_in(key, i), keys[i])
    assert R.split(keys, 3).shape == (3, 5, 2)
    assert R.split(keys.cpu().to(DEV)[:0], 3).shape == (3, 0, 2)
    with pytest.raises(RuntimeError, match="num_splits must be positive"):
        R.split(key, 0)
    with pytest.raises(RuntimeError, match="dtype uint64"):
        R.split(torch.zeros(2, dtype=torch.int64, device=DEV))


@pytest.mark.parametrize("dtype", FLOATS)
def test_keyed_uniform_and_normal(dtype):
    from torch.func import _random as R

    key = R.key(42, device=DEV)
    u = R.uniform(key, 1003, dtype=dtype)
    words = [w for b in range(251) for w in philox([b, 0, 0, 0], [42, 0])]
    if dtype == torch.float32:
        assert u.tolist() == [(w & 0xFFFFFF) / 2**24 for w in words[:1003]]
    assert u.dtype == dtype and torch.equal(u, R.uniform(key, 1003, dtype=dtype))
    x = R.normal(key, 1003, mean=0.5, std=2.0, dtype=dtype)
    if dtype == torch.float32:
        r = math.sqrt(-2 * math.log((words[0] + 0.5) / 2**32))
        assert abs(x[0].item() - (0.5 + 2 * r * math.cos(2 * math.pi * words[1] / 2**32))) < 1e-5
    batch = R.split(key, 6).reshape(3, 2, 2)
    y = R.normal(batch.unsqueeze(2), 3, 2, 50, dtype=dtype)
    for i in range(3):
        for j in range(2):
            assert torch.equal(y[i, j], R.normal(batch[i, j], 50, dtype=dtype))
    with pytest.raises(RuntimeError, match="_philox_uniform_"):
        R.uniform_(key, torch.empty(4, dtype=torch.int32, device=DEV))
    with pytest.raises(RuntimeError, match="same device"):
        torch.ops.aten._philox_uniform_(torch.empty(4, device=DEV), key.cpu())


# --- Errors: as on the CPU ----------------------------------------------------------------

ERRORS = {
    "uniform bounds": lambda d: torch.empty(3, device=d).uniform_(2, 1),
    "uniform dtype": lambda d: torch.empty(3, dtype=torch.int64, device=d).uniform_(),
    "uniform range of half":
        lambda d: torch.empty(3, dtype=torch.float16, device=d).uniform_(0, 1e6),
    "normal std": lambda d: torch.empty(3, device=d).normal_(0, -1),
    "normal dtype": lambda d: torch.empty(3, dtype=torch.int64, device=d).normal_(),
    "normal tensor std": lambda d: torch.normal(0., torch.tensor([1., -1.], device=d)),
    "exponential": lambda d: torch.empty(3, device=d).exponential_(-1),
    "exponential dtype": lambda d: torch.empty(3, dtype=torch.int32, device=d).exponential_(),
    "cauchy": lambda d: torch.empty(3, device=d).cauchy_(0, -1),
    "cauchy dtype": lambda d: torch.empty(3, dtype=torch.int32, device=d).cauchy_(),
    "geometric": lambda d: torch.empty(3, device=d).geometric_(1.5),
    "geometric dtype": lambda d: torch.empty(3, dtype=torch.bool, device=d).geometric_(0.5),
    "log_normal": lambda d: torch.empty(3, device=d).log_normal_(0, 0),
    "random order": lambda d: torch.empty(3, device=d).random_(5, 5),
    "random range": lambda d: torch.empty(3, dtype=torch.uint8, device=d).random_(0, 300),
    "random complex": lambda d: torch.empty(3, dtype=torch.complex64, device=d).random_(),
    "random overlap": lambda d: torch.empty(1, device=d).expand(4).random_(),
    "normal overlap": lambda d: torch.empty(1, device=d).expand(40).normal_(),
    "bernoulli p": lambda d: torch.empty(3, device=d).bernoulli_(1.5),
    "bernoulli tensor": lambda d: torch.bernoulli(torch.tensor([0.5, 1.5], device=d)),
    "bernoulli nan": lambda d: torch.bernoulli(torch.tensor([math.nan], device=d)),
    "bernoulli shape": lambda d: torch.empty(3, device=d).bernoulli_(torch.rand(4, device=d)),
    "bernoulli integer p":
        lambda d: torch.empty(3, device=d).bernoulli_(torch.ones(3, dtype=torch.int64, device=d)),
    "multinomial": lambda d: torch.multinomial(torch.tensor([1., -1.], device=d), 1),
    "multinomial count": lambda d: torch.multinomial(torch.ones(3, device=d), 4),
    "poisson": lambda d: torch.poisson(torch.tensor([-1.], device=d)),
    "randperm dtype": lambda d: torch.randperm(300, dtype=torch.uint8, device=d),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_those_of_the_cpu(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as expected:
            ERRORS[name]("cpu")
        with pytest.raises(Exception) as got:
            ERRORS[name](DEV)
    assert type(got.value) is type(expected.value)


@pytest.mark.parametrize("name", ["uniform_", "normal_", "random_", "exponential_", "bernoulli_"])
def test_empty_tensors(name):
    x = torch.empty(0, 3, device=DEV)
    assert getattr(x, name)() is x
