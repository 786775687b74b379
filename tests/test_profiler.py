"""torch.profiler on the device: kernels, copies, bytes, streams, correlation, memory."""

import json
import threading

import pytest
import torch
from engine import several
from torch.profiler import ProfilerActivity, profile, record_function

DEVICE = "xpu_lite"
BOTH = [ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]


@pytest.fixture(scope="module", autouse=True)
def warm():
    a = torch.ones(32, 32, device=DEVICE)
    (a @ a).sum().item()


def device_events(prof):
    return [e for e in prof.events() if e.device_type == torch.autograd.DeviceType.PrivateUse1]


def trace_of(prof, tmp_path):
    path = tmp_path / "trace.json"
    prof.export_chrome_trace(str(path))
    return json.loads(path.read_text())["traceEvents"]


def spans(trace, category):
    return [e for e in trace if e.get("ph") == "X" and e.get("cat") == category]


def test_activity_is_supported_under_both_names():
    assert ProfilerActivity.PrivateUse1 in torch.profiler.supported_activities()
    assert ProfilerActivity.XPU_LITE == ProfilerActivity.PrivateUse1


def test_kernels_in_events_and_tables():
    a = torch.randn(64, 64, device=DEVICE)
    with profile(activities=BOTH) as prof:
        for _ in range(3):
            b = a @ a
        b.relu_()
    assert len(device_events(prof)) >= 4
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["aten::matmul"].count == 3
    assert rows["aten::mm"].device_time_total > 0
    assert rows["aten::relu_"].device_time_total > 0
    table = prof.key_averages().table(sort_by="self_device_time_total", row_limit=10)
    assert "XPU_LITE" in table.upper() and "aten::mm" in table


def test_kernels_lie_inside_their_operator(tmp_path):
    # Where work goes to a queue of the device, it may end after the operator returned.
    host = torch.xpu_lite.get_device_properties().engine == "host"
    a = torch.randn(256, 256, device=DEVICE)
    with profile(activities=BOTH) as prof:
        for _ in range(5):
            a = torch.tanh(a @ a)
    trace = trace_of(prof, tmp_path)
    operators = {e["args"]["External id"]: e for e in spans(trace, "cpu_op")}
    kernels = spans(trace, "kernel")
    assert len(kernels) >= 10
    slack = 20  # microseconds: two clocks, each converted on its own
    for kernel in kernels:
        op = operators[kernel["args"]["External id"]]
        assert kernel["ts"] >= op["ts"] - slack
        assert not host or kernel["ts"] + kernel["dur"] <= op["ts"] + op["dur"] + slack
        assert kernel["pid"] == 0 and kernel["args"]["stream"] == 0
    names = {operators[k["args"]["External id"]]["name"] for k in kernels}
    assert {"aten::mm", "aten::tanh"} <= names


def test_copies_have_their_bytes(tmp_path):
    host = torch.randn(1000)
    with profile(activities=BOTH) as prof:
        there = host.to(DEVICE)
        there.clone()
        there.cpu()
    copies = spans(trace_of(prof, tmp_path), "gpu_memcpy")
    assert len(copies) >= 2
    assert [c["args"]["bytes"] for c in copies if "HtoD" in c["name"]] == [4000]
    assert [c["args"]["bytes"] for c in copies if "DtoH" in c["name"]] == [4000]


def test_side_stream_has_its_row_and_correlation(tmp_path):
    side = torch.xpu_lite.Stream()
    a = torch.randn(128, 128, device=DEVICE)
    b = torch.empty_like(a)
    torch.xpu_lite.synchronize()
    with profile(activities=BOTH) as prof:
        with torch.xpu_lite.stream(side):
            torch.mm(a, a, out=b)
        side.synchronize()
        torch.sigmoid(a)
    trace = trace_of(prof, tmp_path)
    kernels = spans(trace, "kernel")
    on_side = [k for k in kernels if k["args"]["stream"] == side.stream_id]
    assert on_side and any(k["args"]["stream"] == 0 for k in kernels)
    operators = {e["args"]["External id"]: e["name"] for e in spans(trace, "cpu_op")}
    assert "aten::mm" in {operators.get(k["args"].get("External id")) for k in on_side}
    rows = {e["tid"]: e["args"]["name"] for e in trace
            if e.get("name") == "thread_name" and e.get("pid") == 0}
    assert rows[on_side[0]["tid"]] == f"stream {side.stream_id}"
    assert rows[0] == "stream 0 (default)"


def test_process_row_names_the_device(tmp_path):
    with profile(activities=BOTH) as prof:
        torch.ones(4, device=DEVICE).exp_()
    labels = [e["args"]["labels"] for e in trace_of(prof, tmp_path)
              if e.get("name") == "process_labels" and e.get("pid") == 0]
    assert labels == ["xpu_lite 0"]


def test_user_annotations_cover_device_work(tmp_path):
    a = torch.randn(64, 64, device=DEVICE)
    with profile(activities=BOTH) as prof:
        with record_function("my block"):
            a @ a
            a.exp()
    trace = trace_of(prof, tmp_path)
    blocks = [e for e in spans(trace, "gpu_user_annotation") if e["name"] == "my block"]
    assert len(blocks) == 1
    kernels = spans(trace, "kernel")
    assert blocks[0]["ts"] <= min(k["ts"] for k in kernels) + 1
    assert blocks[0]["ts"] + blocks[0]["dur"] >= max(k["ts"] + k["dur"] for k in kernels) - 1


def test_backward_and_other_threads_are_recorded():
    weight = torch.randn(32, 32, device=DEVICE, requires_grad=True)

    def work():
        torch.ones(16, 16, device=DEVICE).cos()

    with profile(activities=BOTH) as prof:
        (weight @ weight).sum().backward()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["MmBackward0"].count == 1
    assert rows["MmBackward0"].device_time_total > 0
    assert rows["aten::mm"].device_time_total > 0
    assert any("cos" in e.name for e in device_events(prof))


def test_schedule_and_repeated_sessions():
    seen = []
    a = torch.randn(16, 16, device=DEVICE)
    with profile(activities=BOTH,
                 schedule=torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=2),
                 on_trace_ready=lambda p: seen.append(len(device_events(p)))) as prof:
        for _ in range(8):
            a.exp()
            prof.step()
    assert len(seen) == 2 and all(n >= 2 for n in seen)


def test_cpu_only_profile_records_nothing_of_the_device():
    a = torch.randn(16, 16, device=DEVICE)
    with profile(activities=[ProfilerActivity.CPU]) as prof:
        a.exp()
    assert device_events(prof) == []
    assert "aten::exp" in {row.key for row in prof.key_averages()}


def test_device_only_profile():
    a = torch.randn(16, 16, device=DEVICE)
    with profile(activities=[ProfilerActivity.PrivateUse1]) as prof:
        a.exp()
    assert len(device_events(prof)) >= 1


def test_memory_of_the_device_is_attributed():
    with profile(activities=BOTH, profile_memory=True) as prof:
        x = torch.empty(1 << 18, device=DEVICE)
        y = x + 1
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["aten::add"].device_memory_usage >= 1 << 20
    del x, y


def test_event_timing_without_device_activities():
    a = torch.randn(128, 128, device=DEVICE)
    with torch.autograd.profiler.profile(use_device=DEVICE) as prof:
        a @ a
    assert "aten::mm" in {row.key for row in prof.key_averages()}


def test_many_devices_have_rows_of_their_own():
    import subprocess
    import sys

    program = """
import json, os, tempfile, torch
from torch.profiler import ProfilerActivity, profile
with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]) as prof:
    for i in range(2):
        torch.ones(8, device=f"xpu_lite:{i}").exp_()
path = os.path.join(tempfile.mkdtemp(), "t.json")
prof.export_chrome_trace(path)
events = json.load(open(path))["traceEvents"]
print(sorted({e["pid"] for e in events if e.get("cat") == "kernel"}))
print(sorted(e["args"]["labels"] for e in events if e.get("name") == "process_labels"
             and e["args"]["labels"].startswith("xpu_lite")))
"""
    import os
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                         env={**os.environ, "XPU_LITE_DEVICES": several(2)}, check=True).stdout
    assert out.splitlines() == ["[0, 1]", "['xpu_lite 0', 'xpu_lite 1']"]
