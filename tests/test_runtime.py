"""torch_xpu_lite.runtime: pools of cores, tasks on them, batches split over them."""

import copy
import os
import pickle
import threading

import pytest
import torch
from torch import nn

import torch_xpu_lite
from torch_xpu_lite import runtime

pytestmark = pytest.mark.skipif(not torch.xpu_lite.supports("core_sets"),
                                reason="streams of this engine have no cores of their own")
DEVICE = "xpu_lite"


@pytest.fixture
def cores():
    return list(torch.xpu_lite.get_device_properties(0).core_ids)


def cores_of_work():
    """What a kernel of the current stream may run on, told by the queue's own thread."""
    stream = torch.xpu_lite.current_stream()
    return stream.cores


def test_pool_names_its_cores(cores):
    pool = runtime.CPUPool([cores[0]])
    assert pool.core_ids == [cores[0]] and len(pool) == 1 and str(cores[0]) in repr(pool)
    assert pool.stream == runtime.CPUPool([cores[0]]).stream
    assert runtime.CPUPool().core_ids == cores
    assert pickle.loads(pickle.dumps(pool)).core_ids == pool.core_ids


def test_pool_of_a_node(tmp_path, cores):
    (tmp_path / "node0").mkdir()
    (tmp_path / "node0" / "cpulist").write_text("0-2,7\n")
    assert runtime.get_core_list_of_node_id(0, root=str(tmp_path)) == [0, 1, 2, 7]
    with pytest.raises(ValueError, match="no NUMA node 5; this machine has 0"):
        runtime.get_core_list_of_node_id(5, root=str(tmp_path))
    if os.path.exists("/sys/devices/system/node/node0"):
        assert set(runtime.CPUPool(node_id=0).core_ids) <= set(cores)


@pytest.mark.parametrize("arguments, text", [
    ({"core_ids": [100_000]}, "100000"), ({"core_ids": []}, "no core is left"),
    ({"core_ids": [0], "node_id": 0}, "not both")])
def test_pools_that_cannot_be(arguments, text):
    with pytest.raises(ValueError, match=text):
        runtime.CPUPool(**arguments)


def test_a_core_named_twice(cores):
    with pytest.raises(ValueError, match="names a core twice"):
        runtime.CPUPool([cores[0], cores[0]])


def test_split(cores):
    pool = runtime.CPUPool()
    parts = pool.split(len(cores))
    assert [p.core_ids for p in parts] == [[c] for c in cores]
    assert [c for p in pool.split(1) for c in p.core_ids] == cores
    with pytest.raises(ValueError, match="parts=0"):
        pool.split(0)


def test_pin_is_a_context_and_a_decorator(cores):
    pool = runtime.CPUPool([cores[-1]])
    outside = torch.xpu_lite.current_stream()
    x = torch.randn(64, 64)
    with runtime.pin(pool):
        assert torch.xpu_lite.current_stream() == pool.stream
        y = x.to(DEVICE) @ x.to(DEVICE)
        with runtime.pin(pool):  # twice
            y = y + 1
    assert torch.xpu_lite.current_stream() == outside
    torch.testing.assert_close(y.cpu(), x @ x + 1)

    @runtime.pin(pool)
    def inside():
        return cores_of_work()

    assert inside() == [cores[-1]]
    with pytest.raises(TypeError, match="expected a CPUPool, got list"):
        runtime.pin([0])


def test_pin_after_an_error():
    outside = torch.xpu_lite.current_stream()
    with pytest.raises(KeyError):
        with runtime.pin(runtime.CPUPool()):
            raise KeyError
    assert torch.xpu_lite.current_stream() == outside


def test_work_before_and_after_a_pin_is_ordered(cores):
    side = torch.xpu_lite.Stream()
    pool = runtime.CPUPool([cores[0]])
    x = torch.zeros(1000, device=DEVICE)
    with torch.xpu_lite.stream(side):
        torch.xpu_lite._sleep(20_000_000)
        x.add_(1)
        with runtime.pin(pool):
            x.mul_(10)
            torch.xpu_lite._sleep(20_000_000)
            x.add_(2)
        x.mul_(2)
    side.synchronize()
    assert x.unique().tolist() == [24]


def test_task(cores):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8))
    there = copy.deepcopy(model).to(DEVICE)
    task = runtime.Task(there, runtime.CPUPool([cores[0]]))
    x = torch.randn(5, 32)
    with torch.no_grad():
        future = task(x.to(DEVICE))
        y = future.get()
        assert future.done() and not y.requires_grad
        torch.testing.assert_close(y.cpu(), model(x))
        torch.testing.assert_close(task.run_sync(x.to(DEVICE)).cpu(), model(x))
    assert task(x.to(DEVICE)).get().requires_grad
    with torch.inference_mode():
        assert task(x.to(DEVICE)).get().is_inference()
    with torch.autocast(DEVICE, torch.bfloat16):
        assert task(x.to(DEVICE)).get().dtype == torch.bfloat16


def test_a_task_does_not_wait_and_keeps_its_order(cores):
    release = threading.Event()
    seen = []

    def slow(x):
        release.wait(20)
        seen.append(x)
        return x

    task = runtime.Task(slow, runtime.CPUPool([cores[0]]))
    futures = [task(i) for i in range(4)]
    assert not futures[0].done()
    with pytest.raises(TimeoutError):
        futures[0].get(timeout=0.01)
    release.set()
    assert [f.get() for f in futures] == [0, 1, 2, 3] == seen


def test_errors_of_a_task_come_from_get(cores):
    task = runtime.Task(nn.Linear(3, 3).to(DEVICE), runtime.CPUPool([cores[0]]))
    future = task(torch.ones(2, 4, device=DEVICE))
    with pytest.raises(RuntimeError, match="shapes|size"):
        future.get()
    assert task(torch.ones(2, 3, device=DEVICE)).get().shape == (2, 3)
    with pytest.raises(TypeError, match="which cannot be called"):
        runtime.Task(3, runtime.CPUPool())
    with pytest.raises(TypeError, match="expected a CPUPool"):
        runtime.Task(nn.Linear(3, 3), [0])


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
@pytest.mark.parametrize("streams", [1, 2])
def test_multi_stream_module(batch, streams, cores):
    if streams > len(cores):
        pytest.skip("the device has fewer cores")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    many = runtime.MultiStreamModule(copy.deepcopy(model).to(DEVICE), num_streams=streams)
    x = torch.randn(batch, 3, 9, 9)
    with torch.no_grad():
        torch.testing.assert_close(many(x.to(DEVICE)).cpu(), model(x), atol=1e-5, rtol=1e-5)
        many.concat_output = False
        assert len(many(x.to(DEVICE))) == min(batch, streams)
    assert many.state_dict().keys() == {f"model.{k}" for k in model.state_dict()}


class Nested(nn.Module):
    def forward(self, x, scale, *, extra):
        return {"sum": x + extra["add"], "pair": (x * scale, [x.sum(1)])}


def test_hints_of_nested_inputs_and_outputs():
    y = torch.randn(6, 6)
    many = runtime.MultiStreamModule(
        Nested(), input_split_hint=runtime.MultiStreamModuleHint(0, None, extra={"add": 0}))
    out = many(y.to(DEVICE), 2.0, extra={"add": y.to(DEVICE)})
    torch.testing.assert_close(out["sum"].cpu(), y + y)
    assert isinstance(out["pair"], tuple)
    torch.testing.assert_close(out["pair"][0].cpu(), y * 2)
    torch.testing.assert_close(out["pair"][1][0].cpu(), y.sum(1))
    many.output_concat_hint = runtime.MultiStreamModuleHint(sum=0, pair=(0, [0]))
    torch.testing.assert_close(many(y.to(DEVICE), 2.0, extra={"add": y.to(DEVICE)})["sum"].cpu(),
                               y + y)


@pytest.mark.parametrize("arguments, error, text", [
    ({"num_streams": 0}, ValueError, "num_streams=0"),
    ({"num_streams": 10_000}, ValueError, "num_streams=10000"),
    ({"cpu_pool": [0]}, TypeError, "expected a CPUPool, got list")])
def test_multi_stream_modules_that_cannot_be(arguments, error, text):
    with pytest.raises(error, match=text):
        runtime.MultiStreamModule(nn.Linear(2, 2), **arguments)


def test_inputs_that_do_not_fit_the_hint():
    many = runtime.MultiStreamModule(nn.Bilinear(2, 2, 2).to(DEVICE),
                                     input_split_hint=runtime.MultiStreamModuleHint(0, 0))
    a, b = torch.ones(3, 2, device=DEVICE), torch.ones(4, 2, device=DEVICE)
    with pytest.raises(ValueError, match="differ in length"):
        many(a, b)
    with pytest.raises(ValueError, match="names no tensor"):
        many()
    many.input_split_hint = runtime.MultiStreamModuleHint(3, None)
    with pytest.raises(ValueError, match="cannot be split along 3"):
        many(a, a)


def test_enabled():
    assert torch_xpu_lite.runtime.is_runtime_ext_enabled()
