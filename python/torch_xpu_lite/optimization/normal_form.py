"""A traced graph in one vocabulary, so that the passes need to know few things.

Calls of modules become calls of functions on their weights; the spellings of an addition,
a product, an activation become one each; what does nothing in inference is taken out.
"""

import operator

import torch
import torch.nn.functional as F
from torch import nn

from torch_xpu_lite.optimization import derive, tracing
from torch_xpu_lite.optimization.activations import activation_of

LINEAR = F.linear
CONVOLUTIONS = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
ADD, MUL = operator.add, operator.mul

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
             nn.FeatureAlphaDropout)
_DROPOUT_FUNCTIONS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout,
                      F.feature_alpha_dropout)
_SPELLINGS = {torch.add: ADD, operator.iadd: ADD, torch.mul: MUL, operator.imul: MUL,
              torch.multiply: MUL}
_METHODS = {"add": ADD, "add_": ADD, "mul": MUL, "mul_": MUL}


def activation_node(node):
    """The name of the activation that a node of the normal form computes, or None."""
    if node.op != "call_function" or node.target not in ACTIVATION_FUNCTIONS:
        return None
    if node.target is F.gelu and node.kwargs.get("approximate", "none") == "tanh":
        return "gelu_tanh"
    return ACTIVATION_FUNCTIONS[node.target]


ACTIVATION_FUNCTIONS = {torch.relu: "relu", F.gelu: "gelu", F.silu: "silu"}


def normalise(graph, root):
    """Rewrites `graph`, traced from `root` (None: a graph without modules), in place."""
    for node in list(graph.nodes):
        if node.op == "call_module":
            if root is not None:
                _module(graph, node, root)
        elif node.op == "call_function":
            _function(graph, node)
        elif node.op == "call_method":
            _method(graph, node)
    drop_unused(graph)


def drop_unused(graph):
    """Weights that nothing uses any more, and what is derived from them."""
    for node in reversed(list(graph.nodes)):
        if not node.users and (node.op == "get_attr" or node.target in derive.FUNCTIONS):
            graph.erase_node(node)


def _replace(graph, node, target, args, kwargs=None):
    with graph.inserting_before(node):
        new = graph.call_function(target, args, kwargs or {})
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph.erase_node(node)
    return new


def _remove(graph, node):
    node.replace_all_uses_with(node.args[0])
    graph.erase_node(node)


def _module(graph, node, root):
    module = root.get_submodule(node.target)
    if len(node.args) != 1 or node.kwargs or module.training or "forward" in module.__dict__:
        return
    x = node.args[0]

    def weight(name):
        if getattr(module, name) is None:
            return None
        with graph.inserting_before(node):
            return graph.get_attr(f"{node.target}.{name}")

    kind = type(module)
    if kind is nn.Identity or kind in _DROPOUTS:
        _remove(graph, node)
    elif kind is nn.Linear:
        _replace(graph, node, LINEAR, (x, weight("weight"), weight("bias")))
    elif tracing.is_conv1d(module):
        with graph.inserting_before(node):
            transposed = graph.call_function(derive.transposed, (weight("weight"),))
        _replace(graph, node, LINEAR, (x, transposed, weight("bias")))
    elif kind in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
        if module.padding_mode == "zeros" and not isinstance(module.padding, str):
            _replace(graph, node, CONVOLUTIONS[module.weight.dim() - 2],
                     (x, weight("weight"), weight("bias"), module.stride, module.padding,
                      module.dilation, module.groups))
    elif kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        if module.running_mean is not None and module.running_var is not None:
            _replace(graph, node, F.batch_norm,
                     (x, weight("running_mean"), weight("running_var"), weight("weight"),
                      weight("bias"), False, 0.0, module.eps)).meta["kind"] = kind
    elif kind is nn.LayerNorm:
        _replace(graph, node, F.layer_norm,
                 (x, module.normalized_shape, weight("weight"), weight("bias"), module.eps))
    else:
        name = activation_of(module)
        if name and (not getattr(module, "inplace", False) or _written_only_here(node, x)):
            _activation(graph, node, name, x)


def _activation(graph, node, name, x):
    if name == "gelu_tanh":
        _replace(graph, node, F.gelu, (x,), {"approximate": "tanh"})
    else:
        functions = {value: key for key, value in ACTIVATION_FUNCTIONS.items()}
        _replace(graph, node, functions[name], (x,))


def _inplace(node):
    return bool(node.kwargs.get("inplace") or node.kwargs.get("out") is not None)


def _written_only_here(node, x):
    """Nobody else can see that `x` is written in place: it is new and used once."""
    return isinstance(x, torch.fx.Node) and len(x.users) == 1 and makes_new(x)


def makes_new(node):
    """The node's result shares memory with nothing else."""
    return node.op == "call_function" and (
        node.target in (LINEAR, F.batch_norm, F.layer_norm, ADD, MUL, F.gelu, F.silu, torch.relu,
                        torch.ops.xpu_lite.int8_convolution, torch.ops.xpu_lite.int8_linear,
                        torch.ops.xpu_lite.weight_only_linear)
        or node.target in CONVOLUTIONS.values())


def _function(graph, node):
    target, args = node.target, node.args
    if target in _DROPOUT_FUNCTIONS or target is torch.dropout:
        training = (args[2] if len(args) > 2 else
                    node.kwargs.get("training", node.kwargs.get("train", True)))
        if training is False:
            _remove(graph, node)
    elif target in _SPELLINGS and len(args) == 2 and not node.kwargs:
        if target in (operator.iadd, operator.imul) and not _written_only_here(node, args[0]):
            return
        _replace(graph, node, _SPELLINGS[target], args)
    elif target in (F.relu, torch.relu_, F.relu_, F.silu) and args:
        inplace = (target in (torch.relu_, F.relu_) or node.kwargs.get("inplace", False)
                   or (len(args) > 1 and args[1]))
        if not inplace or _written_only_here(node, args[0]):
            _replace(graph, node, F.silu if target is F.silu else torch.relu, args[:1])


def _method(graph, node):
    target, args = node.target, node.args
    if target in ("relu", "relu_") and len(args) == 1:
        if target == "relu" or _written_only_here(node, args[0]):
            _replace(graph, node, torch.relu, args)
    elif target in _METHODS and len(args) == 2 and not node.kwargs:
        if not target.endswith("_") or _written_only_here(node, args[0]):
            _replace(graph, node, _METHODS[target], args)


def writes_in_place(node, root=None):
    """The node may write to memory that it was given."""
    if node.op == "call_module":
        return bool(getattr(root.get_submodule(node.target), "inplace", False))
    if node.op == "call_method":
        return node.target.endswith("_") and not node.target.endswith("__")
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        return (node.target in (operator.iadd, operator.imul, operator.isub, operator.itruediv,
                                operator.setitem, operator.ior, operator.iand)
                or (name.endswith("_") and not name.endswith("__")) or _inplace(node)
                or (node.target in (F.relu, F.silu, F.hardswish, F.hardsigmoid, F.mish)
                    and len(node.args) > 1 and bool(node.args[1])))
    return False
