"""``torch_xpu_lite.optimize`` and its parts, one idea per file.

`front_end` checks arguments and says what is done in which order; `modules` finds what can
be fused; `tracing`, `normal_form`, `fusion` and `program` make a graph of a module, rewrite
and compile it; `fused_forward` decides at each call whether the graph holds.
"""

from torch_xpu_lite.optimization.front_end import describe, optimize

__all__ = ["describe", "optimize"]
