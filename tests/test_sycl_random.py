"""Random numbers of the SYCL engine are those of the host engine, bit by bit."""

import os
import tempfile

import process
import pytest
import torch

pytestmark = pytest.mark.skipif(
    os.environ.get("XPU_LITE_DEVICES", "").split(":")[0] not in ("opencl", "level_zero"),
    reason="needs XPU_LITE_DEVICES to name a SYCL device",
)

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")

# Shared by both processes: fills `results` from a name to a CPU tensor.
DRAWS = """
import torch
import torch_xpu_lite

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
results = {}

def draw(name, dtype, size=1003, **made):
    x = torch.empty(size, dtype=getattr(torch, dtype), device="xpu_lite")
    torch.xpu_lite.manual_seed(1234567890123)
    made["fill"](x)
    results[f"{name} {dtype} {size}"] = x.cpu()

for dtype in FLOATS:
    draw("uniform", dtype, fill=lambda x: x.uniform_())
    draw("uniform range", dtype, fill=lambda x: x.uniform_(-3, 7.5))
    draw("normal", dtype, fill=lambda x: x.normal_())
    draw("normal parameters", dtype, fill=lambda x: x.normal_(-2.5, 0.125))
    draw("log_normal", dtype, fill=lambda x: x.log_normal_(0.5, 0.75))
    draw("exponential", dtype, fill=lambda x: x.exponential_(2.5))
    draw("cauchy", dtype, fill=lambda x: x.cauchy_(0.5, 2))
for dtype in FLOATS + INTEGERS:
    draw("geometric", dtype, fill=lambda x: x.geometric_(0.3))
for dtype in FLOATS + INTEGERS + ("bool",):
    draw("random", dtype, fill=lambda x: x.random_())
    draw("bernoulli", dtype, fill=lambda x: x.bernoulli_(0.3))
    p = torch.linspace(0, 1, 1003).to("xpu_lite")
    draw("bernoulli each", dtype, fill=lambda x: x.bernoulli_(p))
    draw("bernoulli each double", dtype, fill=lambda x: x.bernoulli_(p.double()))
for dtype in ("uint16", "uint32", "uint64"):
    draw("random", dtype, fill=lambda x: x.random_())
for dtype in ("int32", "int64", "float32"):
    draw("random range", dtype, fill=lambda x: x.random_(-5, 1000003))
draw("random wide range", "int64", fill=lambda x: x.random_(-(2**62), 2**61 + 12345))
draw("random power of two", "int64", fill=lambda x: x.random_(0, 2**32))

# Elements are counted in logical order, whatever the strides are.
draw("strided", "float32", size=(33, 17), fill=lambda x: x.t().normal_())
draw("sliced", "float32", size=(64, 50), fill=lambda x: x.zero_()[3:60, 5:40].uniform_())
draw("large", "float32", size=(1 << 20) + 3, fill=lambda x: x.normal_())
draw("one", "float32", size=1, fill=lambda x: x.normal_())
draw("two calls", "float32", fill=lambda x: (x.uniform_(), x.normal_()))

def make(name, function):
    torch.xpu_lite.manual_seed(77)
    made = function()
    for i, x in enumerate(made if isinstance(made, tuple) else (made,)):
        results[f"{name} {i}"] = x.cpu()

d = "xpu_lite"
make("randn", lambda: torch.randn(7, 5, device=d))
make("rand", lambda: torch.rand(7, 5, device=d))
make("randint", lambda: torch.randint(-4, 99, (301,), device=d))
make("randperm", lambda: torch.randperm(100, device=d))
make("normal tensors", lambda: torch.normal(torch.arange(9.0, device=d), torch.arange(1.0, 10, device=d)))
make("multinomial", lambda: torch.multinomial(torch.arange(1.0, 30, device=d), 200, True))
make("multinomial without", lambda: torch.multinomial(torch.arange(1.0, 30, device=d), 10))
make("poisson", lambda: torch.poisson(torch.arange(30.0, device=d)))
make("dirichlet", lambda: torch._sample_dirichlet(torch.arange(1.0, 9, device=d)))
for dtype in FLOATS:
    x = torch.linspace(-3, 3, 4099, dtype=getattr(torch, dtype)).to(d)
    make(f"dropout {dtype}", lambda: torch.native_dropout(x, 0.3, True))
x = torch.linspace(-3, 3, 4 * 6 * 5 * 7).view(4, 6, 5, 7).to(d).to(memory_format=torch.channels_last)
make("dropout channels last", lambda: torch.native_dropout(x, 0.5, True))
make("dropout all", lambda: torch.native_dropout(x, 1.0, True))
make("dropout none", lambda: torch.native_dropout(x, 0.0, True))
g = torch.linspace(1, 2, 4099).to(d)
make("dropout backward", lambda: torch.ops.aten.native_dropout_backward(g, g > 1.5, 1.25))
make("fused_dropout", lambda: torch._fused_dropout(g, 0.6))
make("rrelu", lambda: torch.nn.functional.rrelu(torch.linspace(-1, 1, 99, device=d), training=True))

key = torch.tensor([5, 9], dtype=torch.uint64, device=d)
make("key split", lambda: torch.ops.aten._philox_key_split(key, 5))
make("key fold", lambda: torch.ops.aten._philox_key_fold_in(key, 12345))
keys = torch.ops.aten._philox_key_split(key, 6).view(6, 1, 2)
for dtype in FLOATS:
    out = lambda: torch.empty(6, 37, device=d, dtype=getattr(torch, dtype))
    make(f"key uniform {dtype}", lambda: torch.ops.aten._philox_uniform_(out(), keys, -1, 1))
    make(f"key normal {dtype}", lambda: torch.ops.aten._philox_normal_(out(), keys, 0.5, 2))
"""


@pytest.fixture(scope="module")
def both():
    """Name to (host engine's numbers, SYCL engine's numbers)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "host.pt")
        process.check(
            DRAWS + f"\ntorch.save(results, {path!r})\n",
            XPU_LITE_DEVICES="host", XPU_LITE_FALLBACK="allow",
        )
        host = torch.load(path)
    here = {}
    exec(DRAWS, here)
    assert host.keys() == here["results"].keys()
    return {name: (value, here["results"][name]) for name, value in host.items()}


def test_numbers_are_those_of_the_host_engine(both):
    different = [
        f"{name}: {(a != b).sum().item()} of {a.numel()}"
        for name, (a, b) in both.items()
        if not torch.equal(a.nan_to_num(), b.nan_to_num())
    ]
    assert not different, "\n".join(different)


def test_the_names_are_all_there(both):
    assert len(both) > 100  # an empty comparison would prove nothing


def test_the_generator_advances_by_four():
    generator = torch.xpu_lite.default_generators[0]
    torch.xpu_lite.manual_seed(3)
    before = generator.get_offset()
    torch.randn(100000, device="xpu_lite")
    assert generator.get_offset() - before == 4


def test_probability_outside_of_the_unit_interval():
    p = torch.tensor([0.5, 1.5, 0.25], device="xpu_lite")
    with pytest.raises(RuntimeError, match="p_in"):
        torch.bernoulli(p)
        torch.xpu_lite.synchronize()
    assert torch.bernoulli(p.clamp(max=1)).shape == (3,)  # and goes on


def test_random_on_a_side_stream():
    expected = torch.empty(1000, device="xpu_lite")
    torch.xpu_lite.manual_seed(5)
    expected.normal_()
    stream = torch.xpu_lite.Stream()
    torch.xpu_lite.manual_seed(5)
    with torch.xpu_lite.stream(stream):
        found = torch.empty(1000, device="xpu_lite").normal_()
    stream.synchronize()
    assert torch.equal(found.cpu(), expected.cpu())


def test_samplers_that_draw_on_host_copies_are_counted_as_fallbacks():
    process.check("""
import torch
x = torch.xpu_lite
p = torch.rand(3, 4, device="xpu_lite")
assert not x.fallbacks()
torch.randperm(5, device="xpu_lite"), torch.multinomial(p, 2), torch.poisson(p)
torch.binomial(p.round() + 2, p), torch._standard_gamma(p), torch.nn.functional.rrelu(p, training=True)
assert sorted(x.fallbacks()) == [
    "aten::_standard_gamma", "aten::binomial", "aten::multinomial", "aten::poisson",
    "aten::randperm.generator_out", "aten::rrelu_with_noise"], x.fallbacks()
x.set_fallback_policy("error")
try:
    torch.multinomial(p, 2)
except NotImplementedError as error:
    assert "aten::multinomial" in str(error)
else:
    raise SystemExit("no error")
""")
