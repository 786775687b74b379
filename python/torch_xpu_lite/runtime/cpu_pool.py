"""A pool of cores is a stream whose worker, and its OpenMP team, stay on these cores."""

import contextlib
import threading
from pathlib import Path

import torch

_streams = {}  # (device, cores): a stream with cores lives until the process ends
_streams_lock = threading.Lock()


def get_core_list_of_node_id(node_id: int, root: str = "/sys/devices/system/node") -> list:
    """The numbers of a NUMA node's processor cores.

    Raises:
        ValueError: there is no such node.
    """
    from torch_xpu_lite.launch import parse_cores

    try:
        text = Path(root, f"node{int(node_id)}", "cpulist").read_text().strip()
    except (OSError, ValueError):
        nodes = sorted(p.name[4:] for p in Path(root).glob("node[0-9]*"))
        raise ValueError(f"get_core_list_of_node_id: no NUMA node {node_id!r}; this machine has "
                         f"{', '.join(nodes) if nodes else 'none that it tells of'}") from None
    return parse_cores(text) if text else []


class CPUPool:
    """Cores for work to run on.

    Args:
        core_ids: numbers of cores, as ``taskset`` counts them.
        node_id: all cores of a NUMA node that the device owns, instead of ``core_ids``.
            With neither: all cores of the device.
        device: whose cores; the current device by default.

    Raises:
        ValueError: both are given, a core is named twice or the device does not own it, no core
            is left, or the engine in use has no cores to give (``supports("core_sets")``).
    """

    def __init__(self, core_ids=None, node_id=None, device=None):
        if core_ids is not None and node_id is not None:
            raise ValueError(f"CPUPool: give core_ids or node_id, not both (got core_ids="
                             f"{list(core_ids)} and node_id={node_id})")
        index = torch.device("xpu_lite" if device is None else device).index
        self.device = torch.device("xpu_lite", torch.xpu_lite.current_device()
                                   if index is None else index)
        if not torch.xpu_lite.supports("core_sets"):
            raise ValueError("CPUPool: the engine in use has no cores to give; pools need the "
                             "host engine (XPU_LITE_DEVICES=host)")
        own = torch.xpu_lite.get_device_properties(self.device).core_ids
        if node_id is not None:
            core_ids = [c for c in get_core_list_of_node_id(node_id) if c in own]
        cores = list(own if core_ids is None else core_ids)
        if not cores:
            raise ValueError(f"CPUPool: no core is left of core_ids={core_ids}, node_id={node_id}; "
                             f"{self.device} owns {own}")
        if len(set(cores)) != len(cores):
            raise ValueError(f"CPUPool: core_ids={cores} names a core twice")
        self.core_ids = cores
        self.stream  # made now, so that a core of another device is an error here

    @property
    def stream(self) -> "torch.xpu_lite.Stream":
        """The stream whose work runs on these cores; pools of the same cores share it."""
        key = (self.device.index, tuple(sorted(self.core_ids)))
        with _streams_lock:
            if key not in _streams:
                _streams[key] = torch.xpu_lite.Stream(self.device, cores=sorted(self.core_ids))
            return _streams[key]

    def split(self, parts: int) -> list:
        """``parts`` pools with near equal shares of the cores, in their order.

        Raises:
            ValueError: fewer than one part, or more than there are cores.
        """
        if not 1 <= parts <= len(self.core_ids):
            raise ValueError(f"CPUPool.split: parts={parts} of {len(self.core_ids)} cores")
        bounds = [i * len(self.core_ids) // parts for i in range(parts + 1)]
        return [CPUPool(self.core_ids[a:b], device=self.device)
                for a, b in zip(bounds, bounds[1:])]

    def __len__(self) -> int:
        return len(self.core_ids)

    def __repr__(self) -> str:
        return f"CPUPool(core_ids={self.core_ids}, device='{self.device}')"

    # What a copy or another process needs are the numbers, not the stream.
    def __reduce__(self):
        return _make_pool, (self.core_ids, self.device.index)


def _make_pool(core_ids, index):
    return CPUPool(core_ids, device=torch.device("xpu_lite", index))


class pin(contextlib.ContextDecorator):
    """Work of the block (or of the decorated function) runs on a pool's cores.

    It is ordered behind what the current stream has queued, and what the current stream gets
    afterwards is ordered behind it::

        with runtime.pin(runtime.CPUPool([0, 1])):
            y = model(x)

    Args:
        cpu_pool: a :class:`CPUPool`.

    Raises:
        TypeError: it is something else.
    """

    def __init__(self, cpu_pool):
        if not isinstance(cpu_pool, CPUPool):
            raise TypeError(f"pin: expected a CPUPool, got {type(cpu_pool).__name__}")
        self.cpu_pool = cpu_pool
        self._open = threading.local()  # one object may be entered by several threads, and twice

    def __enter__(self):
        stack = self._open.__dict__.setdefault("stack", [])
        inner, outer = self.cpu_pool.stream, torch.xpu_lite.current_stream(self.cpu_pool.device)
        if inner != outer:
            inner.wait_stream(outer)
        context = torch.xpu_lite.stream(inner)
        context.__enter__()
        stack.append((context, inner, outer))
        return self.cpu_pool

    def __exit__(self, *error):
        context, inner, outer = self._open.stack.pop()
        context.__exit__(*error)
        if inner != outer:
            outer.wait_stream(inner)
        return False
