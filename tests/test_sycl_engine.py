"""The SYCL engine under the device: devices, streams, events, memory, errors, guard. Each
check is a process of its own, because the engine is chosen once per process. Run with
XPU_LITE_DEVICES naming a SYCL device, as opencl:cpu."""

import os
import pathlib
import shutil
import signal
import sys

import process
import pytest
from engine import KIND, sycl_only

pytestmark = sycl_only()

START = "import threading, time, torch\nfrom torch_xpu_lite import _C\nx, d = torch.xpu_lite, 'xpu_lite'\n"


def check(code, **environment):
    return process.check(START + code, **{"XPU_LITE_DEVICES": KIND, **environment})


def fails(code, *parts, **environment):
    """The process must end with an ordinary Python error whose text has all parts."""
    result = process.run(START + code, **{"XPU_LITE_DEVICES": KIND, **environment})
    assert result.returncode == 1, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    for part in parts:
        assert part in result.stderr, f"{part!r} is not in: {result.stderr}"


def test_properties_and_features():
    check(f"""
assert x.device_count() >= 1
p = x.get_device_properties(0)
assert p.engine == {KIND!r} and p.name and p.vendor and p.total_memory > 0 and p.cores > 0
assert (p.major, p.minor) != (0, 0)
free, total = x.mem_get_info(0)
assert 0 < free <= total
assert x.supports('priorities') and x.supports('host_tasks') and not x.supports('core_sets')
""")


def test_info_lists_sycl_devices_under_either_engine():
    for devices in (KIND, "host"):
        printed = check("from torch_xpu_lite import _info\nassert _info.run() == 0",
                        XPU_LITE_DEVICES=devices)
        assert f"{KIND}: " in printed and "driver: " in printed and "aspects: " in printed


@pytest.mark.parametrize("count", [2, 3])
def test_several_devices(count):
    # Two cores give two sub-devices; more than there are cores share the device.
    check(f"""
assert x.device_count() == {count}
parts = [torch.full((1000,), float(i), device=f'{{d}}:{{i}}') for i in range({count})]
gathered = sum(p.to(f'{{d}}:0') for p in parts)
assert gathered.device.index == 0
assert gathered.cpu().eq(float(sum(range({count})))).all()
big = torch.arange(1 << 20, device=f'{{d}}:0')
assert torch.equal(big.to(f'{{d}}:1').to(f'{{d}}:0').cpu(), torch.arange(1 << 20))
assert x.can_device_access_peer(0, 1) in (True, False)
""", XPU_LITE_DEVICES=f"{KIND}:{count}")


def test_streams_are_ordered_and_events_do_not_block_the_host():
    check("""
a, b = x.Stream(), x.Stream(priority=-1)
assert b.priority < a.priority
t = torch.zeros(1 << 16, device=d)
x.synchronize()
begin = time.monotonic()
with x.stream(a):
    _C._sleep(0, 300_000_000)
    t += 1
    event = x.Event()
    event.record()
assert not event.query() and not a.query()
with x.stream(b):
    b.wait_event(event)
    u = t * 2
assert time.monotonic() - begin < 0.25, 'the host was blocked'
b.synchronize()
assert event.query() and u.cpu().eq(2).all()
x.synchronize()
assert a.query() and b.query()
""")


def test_events_measure_the_device():
    check("""
start, middle, end = (x.Event(enable_timing=True) for _ in range(3))
start.record(); _C._sleep(0, 50_000_000); middle.record(); end.record()
end.synchronize()
assert 49 <= start.elapsed_time(middle) < 5000
assert start.elapsed_time(end) >= start.elapsed_time(middle)
""")


def test_pinned_memory_and_asynchronous_copies():
    check("""
host = torch.arange(1 << 20).pin_memory()
assert host.is_pinned() and not torch.arange(4).is_pinned()
there = host.to(d, non_blocking=True)
back = torch.empty(1 << 20, dtype=torch.int64).pin_memory()
back.copy_(there * 2, non_blocking=True)
x.synchronize()
assert torch.equal(back, torch.arange(1 << 20) * 2)
pinned = [torch.ones(1 << 16).pin_memory() for _ in range(8)]
moved = [p.to(d, non_blocking=True) for p in pinned]
del pinned  # the blocks are kept until the copies are past them
again = torch.zeros(1 << 16).pin_memory()
assert all(m.cpu().eq(1).all() for m in moved)
""")


def test_errors_of_queued_work_come_with_the_next_synchronisation():
    check("""
s = x.Stream()
_C._queue_failure(0, s.stream_id, 'seven is not allowed')
try:
    s.synchronize()
except RuntimeError as e:
    assert 'seven is not allowed' in str(e) and '_queue_failure' in str(e), e
else:
    raise SystemExit('no error')
s.synchronize()
assert (torch.ones(3, device=d) + 1).cpu().eq(2).all()
""")


def test_out_of_memory_is_an_error_and_the_device_goes_on():
    check("""
try:
    torch.empty(1 << 50, dtype=torch.uint8, device=d)
except torch.OutOfMemoryError as e:
    assert 'Tried to allocate 1048576.00 GiB' in str(e), e
else:
    raise SystemExit('no error')
held = []
try:
    while True:
        held.append(torch.empty(16 << 20, dtype=torch.uint8, device=d))
except torch.OutOfMemoryError as e:
    assert 'XPU_LITE_MEMORY_LIMIT' in str(e), e
assert 10 <= len(held) <= 16, len(held)
held.clear()
assert torch.ones(1 << 20, device=d).cpu().sum() == 1 << 20
""", XPU_LITE_MEMORY_LIMIT="256M")


@pytest.mark.parametrize("value, parts", [
    ("opencl:toaster", ["XPU_LITE_DEVICES='opencl:toaster'", "allowed: ", "found on this machine: "]),
    (KIND + ":0", ["out of range"]),
    (KIND + ":65", ["out of range"]),
    (KIND + ":two", ["is not a device that xpu-lite knows"]),
])
def test_bad_values(value, parts):
    fails("torch.ones(2, device=d)", *parts, XPU_LITE_DEVICES=value)


def test_a_device_that_is_not_there():
    other = "opencl:gpu" if KIND != "opencl:gpu" else "level_zero:gpu"
    result = process.run("import torch; torch.ones(2, device='xpu_lite')", XPU_LITE_DEVICES=other)
    if result.returncode == 0:
        pytest.skip(f"this machine has {other}")
    assert f"XPU_LITE_DEVICES={other}: no such device; SYCL devices found: " in result.stderr
    assert KIND in result.stderr


def test_no_driver():
    if KIND != "opencl:cpu":
        pytest.skip("the driver of the OpenCL CPU device can be hidden, others not")
    fails("torch.ones(2, device=d)", "no such device", "pip install intel-opencl-rt",
          OCL_ICD_FILENAMES="/nonexistent.so")


@pytest.mark.parametrize("missing, parts", [
    ("engine", ["libxpu_lite_xpu.so", "pip install 'torch-xpu-lite[xpu]'"]),
    ("runtime", ["libsycl.so", "pip install 'torch-xpu-lite[xpu]'"]),
])
def test_nothing_installed(missing, parts, tmp_path):
    """The runtime's libraries alone, in a folder that has no SYCL near it."""
    import torch_xpu_lite._C as native

    libraries = pathlib.Path(native.__file__).parent / "lib"
    folder = tmp_path / "one/two/three/lib"
    folder.mkdir(parents=True)
    shutil.copy(libraries / "libxpu_lite.so", folder)
    if missing == "runtime":
        shutil.copy(libraries / "libxpu_lite_xpu.so", folder)
    # The C++ exception has nobody to catch it: its text is what is looked at.
    result = process.run(
        "import ctypes, sys; ctypes.CDLL(sys.argv[1])._ZN8xpu_lite12device_countEv()",
        str(folder / "libxpu_lite.so"), XPU_LITE_DEVICES=KIND, VIRTUAL_ENV=None, CONDA_PREFIX=None,
        TORCH_DEVICE_BACKEND_AUTOLOAD="0", LD_LIBRARY_PATH=None)
    if result.returncode == 0:
        pytest.skip(f"{sys.executable} has a SYCL runtime beside it")
    for part in parts:
        assert part in result.stderr, result.stderr


def test_auto_without_a_gpu_loads_no_sycl_runtime():
    if any(pathlib.Path("/dev/dri").glob("renderD*")):
        pytest.skip("this machine has a GPU")
    check("""
assert x.get_device_properties(0).engine == 'host'
assert 'libsycl' not in open('/proc/self/maps').read()
""", XPU_LITE_DEVICES="auto")


def test_fork():
    """Before devices are counted a child may use them; after it, it is told to spawn."""
    check("""
import os
def child(body):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(body())
        except BaseException as e:
            print(e)
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def use():
    return int((torch.ones(1000, device=d) + 1).cpu().sum() != 2000)
assert child(use) == 0
def refused():
    try:
        torch.ones(2, device=d)
    except RuntimeError as e:
        return 7 if 'spawn' in str(e) else 8
assert x.device_count() == 1
assert child(refused) == 7
assert use() == 0
assert child(refused) == 7
""")


def test_guard_faults_on_host_access_and_nothing_else():
    check("""
import ctypes, os, signal
assert not x.supports('host_readable_memory')
t = torch.arange(1000, device=d, dtype=torch.int32)
assert torch.equal((t + 1).cpu(), torch.arange(1, 1001, dtype=torch.int32))
assert t.data_ptr() >> 60 == 1
assert t[5].item() == 5
x.synchronize()
pid = os.fork()
if pid == 0:
    ctypes.string_at(t.data_ptr(), 4)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSEGV
""", XPU_LITE_GUARD="1")


def test_layouts_that_the_host_must_read_are_refused_under_the_guard():
    check("""
t = torch.sparse_coo_tensor(torch.tensor([[0, 1]], device=d), torch.ones(2, device=d), (3,))
try:
    torch.ones(3, device=d).sparse_mask(t)
except NotImplementedError as e:
    assert 'host can read' in str(e), e
else:
    raise AssertionError('not refused')
""", XPU_LITE_GUARD="1")


def test_threads_with_streams_of_their_own():
    check("""
results = [None] * 4
def work(i):
    with x.stream(x.Stream()):
        t = torch.full((1 << 14,), float(i), device=d)
        for _ in range(50):
            t = t + 1
        results[i] = t.cpu().sum().item()
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
assert results == [(50 + i) * (1 << 14) for i in range(4)], results
""")


def test_profiler_has_times_of_the_device():
    check("""
from torch.profiler import ProfilerActivity, profile
a = torch.ones(1 << 22, device=d)
a + 1
x.synchronize()
with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]) as prof:
    before = time.time_ns()
    for _ in range(3):
        b = a + 1
    x.synchronize()
    after = time.time_ns()
kernels = [e for e in prof.events() if e.device_type == torch.autograd.DeviceType.PrivateUse1]
assert len(kernels) >= 3, prof.key_averages().table()
assert all(k.time_range.elapsed_us() > 10 for k in kernels), kernels
starts = sorted((k.time_range.start, k.time_range.end) for k in kernels)
assert all(first[1] <= second[0] + 1 for first, second in zip(starts, starts[1:])), starts
span = (starts[-1][1] - starts[0][0]) * 1000
assert span <= (after - before) * 1.05, (span, after - before)
""")


def test_exit_with_work_queued():
    for code in ("", "torch.ones(4, device=d).sum()"):
        result = process.run(START + code + """
_C._sleep(0, 20_000_000)
big = torch.ones(1 << 22, device=d) * 2
""", XPU_LITE_DEVICES=KIND, timeout=60)
        assert result.returncode == 0, (signal.Signals(-result.returncode)
                                        if result.returncode < 0 else result.stderr)
