"""Which modules of a model get a fused ``forward``: the largest that can be traced.

A convolutional network is one graph. A model of transformers cannot be traced as a whole;
its parts can (the two layers of an MLP, a projection with its residual and norm), and what
is between them stays Python.
"""

import torch
from torch import nn
from torch_xpu_lite.optimization.fused_forward import FusedForward
from torch_xpu_lite.optimization.low_precision import keep_low
from torch_xpu_lite.optimization.tracing import Refused


def fuse_modules(model, low=None):
    """Hangs fused forwards on `model` and its parts.

    Returns:
        {name of a module: what was fused in it}.
    """
    done = {}
    _fuse(model, "", low, done, set())
    return done


def _fuse(module, name, low, done, seen):
    if id(module) in seen:
        return
    seen.add(id(module))
    if not list(module.children()):
        keep_low(module, low)
        return
    if "forward" not in module.__dict__ and not _special(module):
        try:
            module.forward = FusedForward(module, low)
            done[name] = list(module.forward.done)
            return
        except Refused:
            pass
    for child_name, child in module.named_children():
        _fuse(child, f"{name}.{child_name}" if name else child_name, low, done, seen)


def _special(module):
    """Modules whose forward has ways that depend on more than its arguments."""
    return isinstance(module, (torch.jit.ScriptModule, nn.ModuleList, nn.ModuleDict,
                               nn.MultiheadAttention, nn.TransformerEncoderLayer,
                               nn.TransformerDecoderLayer, nn.RNNBase, nn.RNNCellBase))
