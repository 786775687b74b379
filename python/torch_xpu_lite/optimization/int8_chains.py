"""Quantized convolutions: what follows them, and chains of them that stay in 8 bits.

A quantized convolution quantizes its input with a scale found over calibration data. Where
all users of a value are such convolutions (or add it to their results, or pool its
maxima), the convolution that makes it can write the integers itself: a quarter of the
bytes, and the same numbers.
"""

import torch
import torch.nn.functional as F
from torch import fx, nn

from torch_xpu_lite.optimization import ops

CONVOLUTION = torch.ops.xpu_lite.int8_convolution


def fuse_int8(passes, root):
    """Fuses additions and activations into quantized convolutions of the graph, then lets
    integers pass between them.

    Args:
        passes: of ``fusion``, for its graph.
        root: the module that `call_module` nodes belong to, or None.
    """
    nodes = [n for n in reversed(list(passes.graph.nodes))
             if n.op == "call_function" and n.target is CONVOLUTION]
    for node in nodes:
        _fuse_one(passes, node)
    if nodes:
        _chain(passes, root)


def _fuse_one(passes, node):
    chain, last, kwargs, names = passes.what_follows(node, "int8 convolution")
    passes.replace(last, ops.int8_convolution, node.args, {**node.kwargs, **kwargs}, chain[::-1])
    passes.done.append("+".join(names))


def _is_convolution(node):
    return node.op == "call_function" and node.target is ops.int8_convolution


def _chain(passes, root):
    graph = passes.graph
    for node in [n for n in graph.nodes if _is_convolution(n)]:
        pools, uses, additions = [], [], []
        if not _only_for_integers(node, root, pools, uses, additions):
            continue
        kwargs = dict(node.kwargs)
        if not uses:
            # A residual alone: nobody calibrated it; 16 bits are finer than what it meets.
            if not pools:
                node.kwargs = {**kwargs, "out_dtype": torch.bfloat16}
            continue
        # One value was seen by all of them: their scales are the same.
        scale, zero = (_first(passes, uses[0].kwargs[name]) for name in ("input_scale", "input_zero"))
        node.kwargs = {**kwargs, "output_scale": scale, "output_zero": zero}
        for user in uses:
            user.kwargs = {**user.kwargs, "input_scale": scale, "input_zero": zero}
        for user in additions:
            user.kwargs = {**user.kwargs, "add_scale": scale, "add_zero": zero}
        for pool, window in pools:
            with graph.inserting_before(pool):
                new = graph.call_function(ops.byte_max_pool2d, (pool.args[0], *window))
            pool.replace_all_uses_with(new)
            graph.erase_node(pool)
        passes.done.append("8-bit result")


def _first(passes, weight):
    """The weight as a node that stands before all others."""
    graph = passes.graph
    with graph.inserting_before(next(iter(graph.nodes))):
        return graph.get_attr(weight.target)


def _only_for_integers(value, root, pools, uses, additions):
    """Whether nothing but quantized convolutions sees the value; who they are."""
    for user in value.users:
        window = _pool_window(user, root)
        if window is not None:
            pools.append((user, window))
            if not _only_for_integers(user, root, pools, uses, additions):
                return False
        elif not _is_convolution(user) or any(
                arg is value for key, arg in user.kwargs.items() if key != "add") or any(
                arg is value for arg in user.args[1:]):
            return False
        elif user.args[0] is value:
            if user.kwargs.get("add") is value or not isinstance(
                    user.kwargs.get("input_scale"), fx.Node) or (
                    user.kwargs["input_scale"].op != "get_attr"
                    or getattr(user.kwargs.get("input_zero"), "op", "") != "get_attr"):
                return False
            uses.append(user)
        else:
            additions.append(user)
    return True


def _pool_window(node, root):
    """(kernel_size, stride, padding, dilation, ceil_mode) of a max pooling, each as a list of
    two, or None."""
    if node.op == "call_module" and root is not None:
        module = root.get_submodule(node.target)
        if type(module) is nn.MaxPool2d and not module.return_indices and len(node.args) == 1:
            return _window(module.kernel_size, module.stride, module.padding, module.dilation,
                           module.ceil_mode)
    elif node.op == "call_function" and node.target in (F.max_pool2d, torch.max_pool2d):
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False,
                 **dict(zip(names, node.args[1:])), **node.kwargs}
        if set(given) == set(names):
            return _window(*(given[name] for name in names))
    return None


def _window(kernel_size, stride, padding, dilation, ceil_mode):
    numbers = (kernel_size, kernel_size if stride is None else stride, padding, dilation)
    pairs = [[n, n] if isinstance(n, int) else list(n) if isinstance(n, (tuple, list)) else [None]
             for n in numbers]
    if any(len(p) != 2 or not all(isinstance(n, int) for n in p) for p in pairs):
        return None
    return (*pairs, bool(ceil_mode))
