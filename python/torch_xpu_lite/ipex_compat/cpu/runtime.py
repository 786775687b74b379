"""``ipex.cpu.runtime``: pools of cores, tasks and streams, those of
:mod:`torch_xpu_lite.runtime`."""

from torch_xpu_lite.runtime import (
    CPUPool,
    MultiStreamModule,
    MultiStreamModuleHint,
    Task,
    get_core_list_of_node_id,
    is_runtime_ext_enabled,
    pin,
)

__all__ = ["CPUPool", "MultiStreamModule", "MultiStreamModuleHint", "Task",
           "get_core_list_of_node_id", "is_runtime_ext_enabled", "pin"]
