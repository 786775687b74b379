"""Queues and memory shared with dpctl, and DLPack for oneAPI devices: no copies, in queue
order. Run with XPU_LITE_DEVICES naming a SYCL device, as opencl:cpu."""

import gc
import sys

import process
import pytest
import torch
from engine import ENGINE, sycl_only

pytestmark = sycl_only()
DEVICE = "xpu_lite"

if ENGINE == "sycl":
    dpctl = pytest.importorskip("dpctl")
    import dpctl.memory
    from torch_xpu_lite import interop


class Array:
    """A USM array as dpnp has it: memory of dpctl, a shape, strides in elements."""

    def __init__(self, memory, shape, typestr, strides=None, offset=0, **more):
        self.memory = memory
        self.__sycl_usm_array_interface__ = {
            "data": (memory.__sycl_usm_array_interface__["data"][0], False), "shape": shape,
            "strides": strides, "typestr": typestr, "version": 1, "offset": offset,
            "syclobj": memory.sycl_queue, **more}


class ReadOnly(Array):
    class flags:
        writable = False


def bytes_of(*values, kind=torch.float32):
    return bytearray(torch.tensor(values, dtype=kind).numpy().tobytes())


def test_queue_of_a_stream():
    queue = torch.xpu_lite.current_stream().sycl_queue
    assert isinstance(queue, dpctl.SyclQueue) and queue.is_in_order
    assert queue == torch.xpu_lite.current_stream().sycl_queue
    side = torch.xpu_lite.Stream()
    assert side.sycl_queue != queue
    assert side.sycl_queue.sycl_context == queue.sycl_context
    # The queue outlives the object and the collection of it.
    del queue
    gc.collect()
    assert (torch.ones(3, device=DEVICE) + 1).cpu().tolist() == [2, 2, 2]


def test_work_on_the_queue_is_in_the_stream_s_order():
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        x = torch.zeros(1 << 20, device=DEVICE)
        queue = stream.sycl_queue
        source = dpctl.memory.MemoryUSMDevice(4 << 20, queue=queue)
        queue.wait()
        source.copy_from_host(bytes_of(*[7.0] * (1 << 20)))
        torch.xpu_lite._sleep(30_000_000)
        x.fill_(1.0)
        event = queue.memcpy_async(interop.to_usm(x), source, 4 << 20)
        x.add_(1.0)
    stream.synchronize()
    event.wait()
    assert x.cpu().eq(8.0).all()


def test_from_usm_shares_the_memory():
    memory = dpctl.memory.MemoryUSMDevice(16, queue=torch.xpu_lite.current_stream().sycl_queue)
    memory.copy_from_host(bytes_of(1, 2, 3, 4))
    x = interop.from_usm(Array(memory, (2, 2), "|f4"))
    assert x.device.type == DEVICE and x.dtype == torch.float32
    assert x.data_ptr() == memory._pointer
    assert x.cpu().tolist() == [[1, 2], [3, 4]]
    x.mul_(10)
    torch.xpu_lite.synchronize()
    assert bytes(memory.copy_to_host()) == bytes(bytes_of(10, 20, 30, 40))
    assert (x @ x).cpu().tolist() == [[700, 1000], [1500, 2200]]


def test_bytes_of_plain_memory():
    memory = dpctl.memory.MemoryUSMShared(8, queue=torch.xpu_lite.current_stream().sycl_queue)
    memory.copy_from_host(bytearray(range(8)))
    x = interop.from_usm(memory)
    assert x.dtype == torch.uint8 and x.cpu().tolist() == list(range(8))


@pytest.mark.parametrize("kind, typestr", [
    (torch.int64, "|i8"), (torch.float64, "<f8"), (torch.bool, "|b1"), (torch.float16, "|f2"),
    (torch.complex64, "|c8"), (torch.int16, "|i2")], ids=str)
def test_types(kind, typestr):
    values = torch.tensor([0, 1, 1, 3]).to(kind)
    data = bytearray(values.numpy().tobytes())
    memory = dpctl.memory.MemoryUSMDevice(len(data), queue=torch.xpu_lite.current_stream().sycl_queue)
    memory.copy_from_host(data)
    x = interop.from_usm(Array(memory, (4,), typestr))
    assert x.dtype == kind and torch.equal(x.cpu(), values)


def test_strides_and_offset():
    memory = dpctl.memory.MemoryUSMDevice(24, queue=torch.xpu_lite.current_stream().sycl_queue)
    memory.copy_from_host(bytes_of(0, 1, 2, 3, 4, 5))
    x = interop.from_usm(Array(memory, (2, 2), "|f4", strides=(1, 3), offset=1))
    assert x.stride() == (1, 3) and x.cpu().tolist() == [[1, 4], [2, 5]]


def test_the_array_lives_as_long_as_the_tensor():
    class Memory:
        alive = 0

        def __init__(self, inner):
            self.inner, self.sycl_queue = inner, inner.sycl_queue
            self.__sycl_usm_array_interface__ = inner.__sycl_usm_array_interface__
            Memory.alive += 1

        def __del__(self):
            Memory.alive -= 1

    queue = torch.xpu_lite.current_stream().sycl_queue
    memory = Memory(dpctl.memory.MemoryUSMDevice(16, queue=queue))
    x = interop.from_usm(Array(memory, (4,), "|f4"))
    del memory
    view = x[1:]
    del x
    gc.collect()
    assert Memory.alive == 1
    del view
    gc.collect()
    assert Memory.alive == 0


def test_waits_for_the_queue_that_the_array_names():
    other = torch.xpu_lite.Stream()
    queue = other.sycl_queue
    memory = dpctl.memory.MemoryUSMDevice(8, queue=queue)
    source = dpctl.memory.MemoryUSMDevice(8, queue=queue)
    memory.copy_from_host(bytes_of(0, 0))
    source.copy_from_host(bytes_of(5, 6))
    with torch.xpu_lite.stream(other):
        torch.xpu_lite._sleep(30_000_000)
    event = queue.memcpy_async(memory, source, 8)
    x = interop.from_usm(Array(memory, (2,), "|f4"))  # read on the default stream
    assert (x + 1).cpu().tolist() == [6, 7]
    event.wait()


def test_order_between_queues():
    queue = dpctl.SyclQueue(torch.xpu_lite.current_stream().sycl_queue.sycl_context,
                            torch.xpu_lite.current_stream().sycl_queue.sycl_device)
    stream = torch.xpu_lite.Stream()
    with torch.xpu_lite.stream(stream):
        x = torch.zeros(4, device=DEVICE)
        torch.xpu_lite._sleep(30_000_000)
        x.fill_(3.0)
    target = dpctl.memory.MemoryUSMDevice(16, queue=queue)
    interop.release_to_queue(queue, stream)
    event = queue.memcpy_async(target, interop.to_usm(x), 16)
    interop.wait_for_queue(queue, stream)
    with torch.xpu_lite.stream(stream):
        y = interop.from_usm(Array(target, (4,), "|f4")) * 2
    assert y.cpu().tolist() == [6.0] * 4
    event.wait()


def test_to_usm_shares_the_memory_and_keeps_the_tensor():
    x = torch.arange(6.0, device=DEVICE).reshape(2, 3)
    memory = interop.to_usm(x)
    torch.xpu_lite.synchronize()
    if isinstance(memory, dpctl.memory.MemoryUSMDevice):
        assert memory.nbytes == 24 and memory.get_usm_type() == "device"
        address = memory._pointer
        del x
        gc.collect()
        torch.full((2, 3), -1.0, device=DEVICE)  # must not get the memory
        assert bytes(memory.copy_to_host()) == bytes(bytes_of(*range(6)))
        back = interop.from_usm(memory)
        assert back.data_ptr() & ~(1 << 60) == address


def test_round_trip():
    x = torch.randn(5, 3, device=DEVICE)
    back = interop.from_usm(interop._Exported(x.t()))
    assert back.data_ptr() & ~(1 << 60) == x.data_ptr() & ~(1 << 60)
    assert back.stride() == x.t().stride() and torch.equal(back, x.t())


def test_empty():
    x = torch.empty(0, 3, device=DEVICE)
    assert interop.from_usm(interop._Exported(x)).shape == (0, 3)


@pytest.mark.parametrize("make, error, text", [
    (lambda m: Array(m, (4,), "|V4"), TypeError, "V4"),
    (lambda m: ReadOnly(m, (2,), "|f4"), ValueError, "only be read"),
    (lambda m: Array(m, (2,), "|f4", strides=(-1,), offset=1), ValueError, "negative"),
    (lambda m: Array(m, (2,), "|f4", data=(id(m), False)), ValueError, "not USM memory"),
    (lambda m: [1, 2], TypeError, "list"),
    (lambda m: torch.ones(3), TypeError, "Tensor"),
], ids=["type", "read-only", "negative", "host memory", "list", "cpu tensor"])
def test_what_cannot_be_imported(make, error, text):
    memory = dpctl.memory.MemoryUSMDevice(16, queue=torch.xpu_lite.current_stream().sycl_queue)
    with pytest.raises(error, match=text):
        interop.from_usm(make(memory))


def test_what_cannot_be_exported():
    with pytest.raises(TypeError, match="xpu_lite device"):
        interop.to_usm(torch.ones(3))
    with pytest.raises(ValueError, match="detach"):
        interop.to_usm(torch.ones(3, device=DEVICE, requires_grad=True))
    with pytest.raises(TypeError, match="bfloat16"):
        interop.to_usm(torch.ones(3, device=DEVICE, dtype=torch.bfloat16))
    with pytest.raises(TypeError, match="SyclQueue"):
        interop.wait_for_queue("queue")


def test_queue_of_another_context():
    device = torch.xpu_lite.current_stream().sycl_queue.sycl_device
    parts = device.create_sub_devices(partition=1)  # a whole device shares the one context
    foreign = dpctl.SyclQueue(dpctl.SyclContext(parts), parts[0])
    with pytest.raises(RuntimeError, match="context"):
        interop.release_to_queue(foreign)
    memory = dpctl.memory.MemoryUSMDevice(8, queue=foreign)
    with pytest.raises(ValueError, match="not USM memory of torch's SYCL context"):
        interop.from_usm(Array(memory, (2,), "|f4"))


# ---- DLPack ---------------------------------------------------------------------------


def test_dlpack_says_oneapi_and_comes_back():
    x = torch.arange(6.0, device=DEVICE).reshape(2, 3).t()
    exporter = interop.dlpack(x)
    assert exporter.__dlpack_device__() == (14, x.device.index)
    y = interop.from_usm(exporter)  # as any oneAPI producer
    assert y.device == x.device and y.stride() == x.stride()
    assert y.data_ptr() & ~(1 << 60) == x.data_ptr() & ~(1 << 60)
    y.add_(1)
    assert x.cpu().tolist() == [[1, 4], [2, 5], [3, 6]]
    other = interop.from_usm(interop.dlpack(x[1:]))
    assert torch.equal(other, x[1:])


def test_dlpack_keeps_the_memory():
    x = torch.full((1000,), 7.0, device=DEVICE)
    y = interop.from_usm(interop.dlpack(x))
    del x
    gc.collect()
    torch.zeros(1000, device=DEVICE)
    assert y.cpu().eq(7).all()


def test_dlpack_refuses_other_devices():
    x = torch.ones(3, device=DEVICE)
    with pytest.raises(BufferError):
        interop.dlpack(x).__dlpack__(dl_device=(1, 0))
    with pytest.raises(TypeError, match="cpu"):
        interop.dlpack(torch.ones(3))


# ---- what is missing ---------------------------------------------------------------------


def test_without_dpctl(monkeypatch):
    monkeypatch.setitem(sys.modules, "dpctl", None)
    with pytest.raises(ImportError, match="pip install dpctl"):
        torch.xpu_lite.current_stream().sycl_queue


def test_the_host_engine_has_no_queues():
    out = process.check("""
        import torch
        try:
            torch.xpu_lite.current_stream().sycl_queue
        except RuntimeError as error:
            print(error)
    """, XPU_LITE_DEVICES="host")
    assert "SYCL engine" in out and "XPU_LITE_DEVICES" in out


def test_guarded_addresses_are_plain_outside():
    out = process.check("""
        import torch
        from torch_xpu_lite import interop
        x = torch.arange(4.0, device="xpu_lite")
        assert x.data_ptr() >> 60 & 1
        shown = interop._Exported(x).__sycl_usm_array_interface__["data"][0]
        assert shown == x.data_ptr() & ~(1 << 60)
        y = interop.from_usm(interop.dlpack(x))
        assert (x + y).cpu().tolist() == [0, 2, 4, 6]
        print("ok")
    """, XPU_LITE_GUARD="1")
    assert out.endswith("ok")
