"""Bad input: a clear exception, the process alive, the device usable afterwards."""

import io
import pickle

import pytest
import torch
from process import check, run

xl = torch.xpu_lite


@pytest.fixture(autouse=True)
def _device_works_afterwards():
    yield
    x = torch.arange(10.0, device="xpu_lite")
    assert (x * 2).sum().item() == 90


# Every variable with a value that it cannot take; the message names both.
@pytest.mark.parametrize(
    "name, value",
    [
        ("XPU_LITE_DEVICES", "abacus"),
        ("XPU_LITE_DEVICES", "host:0"),
        ("XPU_LITE_DEVICES", "host:-2"),
        ("XPU_LITE_DEVICES", "host:many"),
        ("XPU_LITE_MEMORY_LIMIT", "lots"),
        ("XPU_LITE_MEMORY_LIMIT", "-5"),
        ("XPU_LITE_FALLBACK", "perhaps"),
        ("XPU_LITE_VERBOSE", "everything"),
        ("XPU_LITE_ISA", "avx9000"),
        ("XPU_LITE_HUGE_PAGES", "2"),
        ("XPU_LITE_CACHING", "yes please"),
    ],
)
def test_variables_with_bad_values(name, value):
    code = """
        import torch
        try:
            torch.ones(1, device="xpu_lite")
        except (ValueError, RuntimeError) as error:
            print(error)
        else:
            print("NO ERROR")
    """
    out = check(code, **{name: value})
    assert name in out and value in out


def test_unknown_variable():
    out = run("import torch; torch.ones(1, device='xpu_lite')", XPU_LITE_DEVISES="host")
    assert out.returncode == 1 and "XPU_LITE_DEVISES" in out.stderr
    assert "XPU_LITE_DEVICES" in out.stderr  # the list of what is known


def test_memory_limit_variable():
    code = """
        import torch
        x = torch.ones(2**20, device="xpu_lite")
        try:
            torch.empty(2**28, device="xpu_lite")
        except torch.OutOfMemoryError as error:
            print("MEMORY", error)
        print((x + 1).sum().item())
    """
    first, *_, last = check(code, XPU_LITE_MEMORY_LIMIT="64M").split("\n")
    assert first.startswith("MEMORY") and float(last) == 2**21


def test_out_of_memory_in_the_middle_of_training(unlimited_memory):
    model = torch.nn.Linear(512, 512).to("xpu_lite")
    x = torch.randn(64, 512, device="xpu_lite")
    model(x).sum().backward()
    xl.empty_cache()
    total = xl.mem_get_info()[1]
    xl.set_per_process_memory_fraction((xl.memory_reserved() + 2**25) / total)
    with pytest.raises(torch.OutOfMemoryError):
        model(torch.randn(2**18, 512, device="xpu_lite")).sum().backward()
    xl.set_per_process_memory_fraction(1.0)
    model(x).sum().backward()
    assert model.weight.grad.isfinite().all().item()


@pytest.mark.parametrize("index", [1000, 127])
def test_tensor_on_a_missing_device(index):
    if index > 127:
        with pytest.raises((RuntimeError, ValueError)):
            torch.ones(1, device=f"xpu_lite:{index}")
    else:
        with pytest.raises((RuntimeError, ValueError), match=str(index)):
            torch.ones(1, device=f"xpu_lite:{index}")
        with pytest.raises((RuntimeError, ValueError), match=str(index)):
            torch.ones(1).to(f"xpu_lite:{index}")


def test_operator_on_two_devices():
    x, y = torch.ones(3, device="xpu_lite"), torch.ones(3)
    for call in (
        lambda: x + y,
        lambda: y + x,
        lambda: x.add_(y),
        lambda: torch.mm(x[None], y[:, None]),
        lambda: torch.cat([x, y]),
        lambda: torch.nn.functional.linear(x, y[None]),
        lambda: torch.where(x > 0, x, y),
        lambda: torch.nn.Linear(3, 3)(x),
    ):
        with pytest.raises(RuntimeError, match="device"):
            call()


def test_scalars_of_the_cpu_are_welcome():
    x = torch.ones(3, device="xpu_lite")
    assert (x + torch.tensor(1.0)).tolist() == [2.0] * 3
    assert x[torch.tensor(1)].item() == 1


def test_generator_of_another_device():
    with pytest.raises(RuntimeError, match="(?i)generator"):
        torch.rand(3, device="xpu_lite", generator=torch.Generator("cpu"))
    with pytest.raises(RuntimeError, match="(?i)generator"):
        torch.ones(3, device="xpu_lite").normal_(generator=torch.Generator("cpu"))
    with pytest.raises(RuntimeError, match="(?i)generator"):
        torch.rand(3, generator=torch.Generator("xpu_lite"))


def test_bad_generator_state():
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        xl.set_rng_state(torch.zeros(3, dtype=torch.uint8))
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        xl.set_rng_state(torch.zeros(16))
    with pytest.raises((RuntimeError, ValueError)):
        xl.get_rng_state(99)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.reshape(7, 7),
        lambda x: x @ torch.ones(7, device="xpu_lite"),
        lambda x: torch.cat([x, x[:, :1]]),
        lambda x: torch.nn.functional.conv2d(x, x),
        lambda x: torch.linalg.cholesky(-torch.eye(3, device="xpu_lite")),
        lambda x: torch.linalg.inv(torch.zeros(2, 2, device="xpu_lite")),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([9, 9, 9], device="xpu_lite")),
        lambda x: x.gather(1, torch.full((3, 3), 50, device="xpu_lite")),
        lambda x: x[50],
        lambda x: x[torch.tensor([50], device="xpu_lite")],
        lambda x: torch.nn.functional.embedding(torch.tensor([50], device="xpu_lite"), x),
        lambda x: x.index_select(0, torch.tensor([50], device="xpu_lite")),
        lambda x: x.sum().backward(),
        lambda x: x.view(torch.int64).bitwise_and(x),
        lambda x: torch.empty(-1, device="xpu_lite"),
        lambda x: x.expand(2, 2),
        lambda x: torch.multinomial(-x, 1),
        lambda x: torch.fft.fft(x, n=0),
    ],
)
def test_illegal_arguments(call):
    with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)):
        call(torch.ones(3, 3, device="xpu_lite"))


@pytest.mark.parametrize(
    "call, dtype",
    [
        (lambda x: torch._softmax(x, 0, False), torch.int64),
        (lambda x: x.std(), torch.int64),
        (lambda x: x.mean(), torch.int64),
        (lambda x: x.cos(), torch.float8_e4m3fn),
        (lambda x: torch.linalg.inv(x.reshape(2, 2)), torch.bfloat16),
    ],
)
def test_unsupported_dtypes(call, dtype):
    x = torch.ones(4).to(dtype)
    with pytest.raises(Exception) as expected:
        call(x)
    with pytest.raises(expected.type):
        call(x.to("xpu_lite"))


def test_foreign_streams_and_events():
    foreign = xl.Stream(stream_id=987654321, device_index=0, device_type=20)
    for call in (
        foreign.synchronize, foreign.query, lambda: xl.set_stream(foreign),
        lambda: torch.ones(1, device="xpu_lite").record_stream(foreign),
        lambda: xl.Event().record(foreign),
    ):
        with pytest.raises((RuntimeError, ValueError), match="987654321"):
            call()
    with pytest.raises((RuntimeError, ValueError)):
        xl.set_stream(torch.Stream(stream_id=0, device_index=0, device_type=0))
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        with xl.stream(torch.Stream(stream_id=0, device_index=0, device_type=0)):
            pass
    assert xl.current_stream() == xl.default_stream()


def test_error_in_queued_work_names_the_operator():
    side = xl.Stream()
    x = torch.ones(4, 4, device="xpu_lite")
    indices = torch.tensor([99], device="xpu_lite")
    with pytest.raises((RuntimeError, IndexError), match="(?s)index out.*index_select.*queued on stream"):
        with xl.stream(side):
            x.index_select(0, indices)
        side.synchronize()
    side.synchronize()


def test_failed_work_does_not_stop_what_is_behind_it():
    side = xl.Stream()
    xl._C._queue_failure(0, side.stream_id, "first failure")
    xl._C._queue_failure(0, side.stream_id, "second failure")
    with xl.stream(side):
        y = torch.ones(3, device="xpu_lite") + 1
    with pytest.raises(RuntimeError, match="first failure"):
        side.synchronize()
    side.synchronize()
    assert y.tolist() == [2.0] * 3


def test_failed_work_that_nobody_waits_for_does_not_end_the_process():
    code = """
        import torch
        side = torch.xpu_lite.Stream()
        torch.xpu_lite._C._queue_failure(0, side.stream_id, "lost")
        print("end")
    """
    assert check(code) == "end"


@pytest.mark.parametrize("damage", ["truncate", "zero", "empty"])
def test_broken_checkpoints(damage):
    file = io.BytesIO()
    torch.save({"w": torch.randn(256, device="xpu_lite")}, file)
    data = file.getvalue()
    data = {"truncate": data[: len(data) // 2], "zero": bytes(len(data)), "empty": b""}[damage]
    with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
        torch.load(io.BytesIO(data), map_location="xpu_lite")


def test_fallback_policy_is_checked():
    with pytest.raises(ValueError, match="sometimes"):
        xl.set_fallback_policy("sometimes")
    assert xl.get_fallback_policy() in ("allow", "warn", "error")


def test_fallback_policy_as_context():
    before = xl.get_fallback_policy()
    with xl.set_fallback_policy("error"):
        assert xl.get_fallback_policy() == "error"
        assert (torch.ones(2, device="xpu_lite") + 1).sum().item() == 4
    assert xl.get_fallback_policy() == before


def test_fallback_counts(capsys):
    xl.reset_fallbacks()
    assert not xl.fallbacks()
    xl.print_fallbacks()
    assert "no operator" in capsys.readouterr().out
    counts = xl.fallbacks(reset=True)
    assert dict(counts) == {} == dict(xl.fallbacks())


def test_compile_says_that_it_is_not_there_yet():
    model = torch.compile(torch.nn.Linear(2, 2).to("xpu_lite"))
    with pytest.raises(Exception, match="not supported on xpu_lite yet"):
        model(torch.ones(1, 2, device="xpu_lite"))
    torch._dynamo.reset()


def test_compile_for_the_cpu_still_works():
    @torch.compile(backend="aot_eager")
    def double(x):
        return x * 2

    assert double(torch.ones(2)).tolist() == [2.0, 2.0]
    assert double(torch.ones(2, device="xpu_lite")).tolist() == [2.0, 2.0]
    torch._dynamo.reset()
