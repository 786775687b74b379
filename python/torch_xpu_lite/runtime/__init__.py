"""Running models on chosen cores: several inferences at once, each on its share.

``CPUPool`` names cores, ``pin`` runs a block of code on them, ``Task`` calls a module there
without waiting, ``MultiStreamModule`` splits a batch over several of them. A pool is a stream
of the device whose worker is bound to the pool's cores, with an OpenMP team of that size.
"""

from torch_xpu_lite.runtime.cpu_pool import CPUPool, get_core_list_of_node_id, pin
from torch_xpu_lite.runtime.multi_stream import MultiStreamModule, MultiStreamModuleHint
from torch_xpu_lite.runtime.task import Task, TaskFuture

__all__ = ["CPUPool", "MultiStreamModule", "MultiStreamModuleHint", "Task", "TaskFuture",
           "get_core_list_of_node_id", "is_runtime_ext_enabled", "pin"]


def is_runtime_ext_enabled() -> bool:
    """Whether pools of cores work in this process: the host engine is the one in use."""
    import torch

    return torch.xpu_lite.supports("core_sets")
