"""Calling a module on a pool's cores without waiting for it."""

import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from torch_xpu_lite.runtime.cpu_pool import CPUPool, pin


def tensors_of(value):
    """The tensors in tuples, lists and mappings, however deep."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_of(item)
    elif hasattr(value, "values") and hasattr(value, "keys"):
        for item in value.values():
            yield from tensors_of(item)


class _Modes:
    """What torch keeps per thread and a caller expects to hold for its call."""

    def __init__(self):
        self.grad = torch.is_grad_enabled()
        self.inference = torch.is_inference_mode_enabled()
        self.autocast = [(kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
                         for kind in ("xpu_lite", "cpu")]

    def run(self, function):
        with contextlib.ExitStack() as modes:
            modes.enter_context(torch.inference_mode(self.inference))
            modes.enter_context(torch.set_grad_enabled(self.grad and not self.inference))
            for kind, enabled, dtype in self.autocast:
                modes.enter_context(torch.autocast(kind, dtype, enabled=enabled))
            return function()


class TaskFuture:
    """A result that is on its way."""

    def __init__(self, future: Future, device):
        self._future = future
        self._device = device

    def get(self, timeout=None):
        """The module's result, ready to be used by the current stream.

        Args:
            timeout: seconds to wait; None waits for as long as it takes.

        Raises:
            TimeoutError: it is not there in time. What the module raised is raised here.
        """
        result = self._future.result(timeout)
        current = torch.xpu_lite.current_stream(self._device)
        for tensor in tensors_of(result):
            if tensor.device == self._device:
                tensor.record_stream(current)
        return result

    result = get

    def done(self) -> bool:
        """Whether ``get`` would return at once."""
        return self._future.done()


class Task:
    """Calls of a module that run on a pool's cores, one after the other, while the caller
    goes on::

        task = runtime.Task(model, runtime.CPUPool([1]))
        future = task(x)
        y = future.get()

    A call sees what the caller's stream had queued before it, and the caller's grad mode,
    inference mode and autocast.

    Args:
        module: what is called; anything callable.
        cpu_pool: a :class:`CPUPool`.

    Raises:
        TypeError: `module` cannot be called, or `cpu_pool` is no pool.
    """

    def __init__(self, module, cpu_pool):
        if not callable(module):
            raise TypeError(f"Task: module is a {type(module).__name__}, which cannot be called")
        if not isinstance(cpu_pool, CPUPool):
            raise TypeError(f"Task: expected a CPUPool, got {type(cpu_pool).__name__}")
        self.module = module
        self.cpu_pool = cpu_pool
        self._lock = threading.Lock()
        self._thread = None  # an executor of one thread, started by the first call

    def __call__(self, *args, **kwargs) -> TaskFuture:
        device = self.cpu_pool.device
        stream = self.cpu_pool.stream
        before = torch.xpu_lite.current_stream(device).record_event()
        modes = _Modes()
        for tensor in tensors_of((args, kwargs)):
            if tensor.device == device:
                tensor.record_stream(stream)

        def call():
            with torch.xpu_lite.stream(stream):
                stream.wait_event(before)
                result = modes.run(lambda: self.module(*args, **kwargs))
            stream.synchronize()
            return result

        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="xpu_lite_task")
            return TaskFuture(self._thread.submit(call), device)

    run_async = __call__

    def run_sync(self, *args, **kwargs):
        """Calls the module on the pool's cores and waits for the result."""
        with pin(self.cpu_pool):
            result = self.module(*args, **kwargs)
        self.cpu_pool.stream.synchronize()
        return result

    def __getstate__(self):
        return {"module": self.module, "cpu_pool": self.cpu_pool}

    def __setstate__(self, state):
        self.__init__(state["module"], state["cpu_pool"])
