"""The passes: what is folded, joined and fused in a graph of the normal form.

Each pass takes the graph and gives the names of what it did. A node is moved only to where
it is used first, and only when nothing between writes in place.
"""

import operator

import torch
import torch.nn.functional as F
from torch import fx

from torch_xpu_lite.optimization import derive, ops
from torch_xpu_lite.optimization.int8_chains import fuse_int8
from torch_xpu_lite.optimization.normal_form import (
    ADD, CONVOLUTIONS, LINEAR, MUL, activation_node, drop_unused, writes_in_place)

_CONVOLUTIONS = frozenset(CONVOLUTIONS.values())
_QUANTIZED = {torch.ops.xpu_lite.int8_linear: (ops.int8_linear, "int8 linear"),
              torch.ops.xpu_lite.weight_only_linear: (ops.weight_only_linear, "weight-only linear")}
_TAIL = {"activation": "none", "add": None, "add_first": False, "mul": None}
_CONVOLUTION_DEFAULTS = (None, None, None, 1, 0, 1, 1)  # input, weight, bias, stride, ...


def fuse(graph, root=None, is_weight=None, low=None):
    """All passes on `graph`, in place.

    Args:
        is_weight: tells of a node whether it is a parameter or buffer (default: get_attr).
        low: the dtype that norms keep where autocast would widen it, or None.

    Returns:
        names of what was done, such as "linear+gelu", one for each.
    """
    passes = _Passes(graph, root, is_weight or (lambda node: node.op == "get_attr"))
    passes.fold_batch_norms()
    passes.join_linears()
    passes.fuse_linears()
    passes.fuse_convolutions()
    fuse_int8(passes, root)
    if low is not None:
        passes.keep_dtype_of_norms()
    drop_unused(graph)
    graph.lint()
    return passes.done


def of_weights(node, is_weight):
    """`node` is a weight, or made of weights alone by one of `derive`'s functions."""
    return is_weight(node) or (node.op == "call_function" and node.target in derive.FUNCTIONS)


class _Passes:
    def __init__(self, graph, root, is_weight):
        self.graph, self.done, self.any_convolution = graph, [], False
        self.is_weight = lambda node: node is None or (
            isinstance(node, fx.Node) and of_weights(node, is_weight))
        self.order = {}
        self.writes = [n for n in graph.nodes if writes_in_place(n, root)]

    def position(self, node):
        if node not in self.order:
            self.order = {n: i for i, n in enumerate(self.graph.nodes)}
        return self.order[node]

    def may_move(self, first, last):
        """Nothing between the two nodes writes in place."""
        self.order = {n: i for i, n in enumerate(self.graph.nodes)}
        a, b = self.position(first), self.position(last)
        return not any(a < self.position(w) < b for w in self.writes if w in self.order)

    def replace(self, last, target, args, kwargs, others):
        """A node of `target` in the place of `last`; `others` go when nothing uses them."""
        with self.graph.inserting_before(last):
            new = self.graph.call_function(target, args, kwargs)
        last.replace_all_uses_with(new)
        for node in (last, *others):
            if not node.users:
                self.graph.erase_node(node)
        return new

    def derived(self, before, function, *args):
        with self.graph.inserting_before(before):
            return self.graph.call_function(function, args)

    def one_user(self, node):
        """The only node that uses `node`, once; None if there are more."""
        if len(node.users) != 1:
            return None
        (user,) = node.users
        uses = sum(arg is node for arg in user.all_input_nodes)
        inside = sum(arg is node for arg in user.args) + sum(
            arg is node for arg in user.kwargs.values())
        return user if uses == 1 and inside == 1 else None

    # conv+BN, linear+BN

    def fold_batch_norms(self):
        for norm in list(self.graph.nodes):
            if norm.op != "call_function" or norm.target is not F.batch_norm or norm.kwargs:
                continue
            x, mean, variance, gamma, beta, training, _, eps = norm.args
            if training is not False or not isinstance(x, fx.Node) or x.kwargs:
                continue
            if x.op != "call_function" or self.one_user(x) is not norm:
                continue
            product = x.target is LINEAR or x.target in _CONVOLUTIONS
            if not product or not all(map(self.is_weight, (mean, variance, gamma, beta, *x.args[1:2]))):
                continue
            weight = x.args[1]
            bias = x.args[2] if len(x.args) > 2 else None
            if not self.is_weight(bias) or not self.may_move(x, norm):
                continue
            folded = self.derived(norm, derive.folded_weight, weight, variance, gamma, eps)
            shift = self.derived(norm, derive.folded_bias, weight, bias, mean, variance, gamma,
                                 beta, eps)
            if x.target is LINEAR:
                self.replace(norm, ops.linear_of_rows, (x.args[0], folded, shift), {}, [x])
                self.done.append("linear+batch_norm")
            else:
                self.replace(norm, x.target, (x.args[0], folded, shift, *x.args[3:]), {}, [x])
                self.done.append("convolution+batch_norm")

    # query, key, value

    def join_linears(self):
        groups = {}
        for node in self.graph.nodes:
            if (node.op == "call_function" and node.target is LINEAR and not node.kwargs
                    and all(map(self.is_weight, node.args[1:])) and self.joinable(node)):
                bias = len(node.args) > 2 and node.args[2] is not None
                groups.setdefault((node.args[0], bias), []).append(node)
        for (x, bias), nodes in groups.items():
            if len(nodes) < 2 or not self.may_move(nodes[0], nodes[-1]):
                continue
            first = nodes[0]
            weights = [n.args[1] for n in nodes]
            # Parameters stand before their use; those of later layers are fetched here.
            for weight in weights + [n.args[2] for n in nodes if bias]:
                if self.position(weight) > self.position(first):
                    first.prepend(weight)
                    self.order = {}
            weight = self.derived(first, derive.joined, *weights)
            shift = self.derived(first, derive.joined, *(n.args[2] for n in nodes)) if bias else None
            sizes = [self.derived(first, derive.rows, w) for w in weights]
            with self.graph.inserting_before(first):
                product = self.graph.call_function(ops.linear, (x, weight, shift))
                parts = self.graph.call_function(ops.split, (product, sizes))
                for i, node in enumerate(nodes):
                    part = self.graph.call_function(operator.getitem, (parts, i))
                    node.replace_all_uses_with(part)
            for node in nodes:
                self.graph.erase_node(node)
            self.order = {}
            self.done.append(f"{len(nodes)} linears")

    def joinable(self, node):
        """Its users do not mind that the rows of the result are apart in memory. Of those
        that would, `view` is made `reshape`."""
        kinds = ("view", "reshape", "transpose", "permute", "unflatten", "unsqueeze")
        if not node.users or any(
                user.op != "call_method" or user.target not in kinds or user.args[0] is not node
                or sum(arg is node for arg in user.args) != 1
                or not all(isinstance(arg, (int, fx.Node, tuple, list)) for arg in user.args[1:])
                for user in node.users):
            return False
        if any(w in node.users for w in self.writes):
            return False
        for user in node.users:
            if user.target == "view":
                user.target = "reshape"
        return True

    # linear and what follows

    def fuse_linears(self):
        for node in list(self.graph.nodes):
            if node.op != "call_function":
                continue
            if node.target in _QUANTIZED:
                self.fuse_quantized(node)
            elif node.kwargs:
                continue
            elif node.target is LINEAR and self.is_weight(node.args[1]):
                self.fuse_linear(node)
            elif node.target is ops.linear_of_rows:
                user = self.one_user(node)
                name = user and activation_node(user)
                if name and self.may_move(node, user):
                    self.replace(user, ops.linear_of_rows, node.args, {"activation": name}, [node])
                    self.done.append(f"linear+{name}")

    def fuse_linear(self, node):
        chain, last, kwargs, names = self.tail_of(node, "linear")
        if chain:
            self.replace(last, ops.linear, node.args, kwargs, chain[::-1])
            self.done.append("+".join(names))

    def fuse_quantized(self, node):
        target, name = _QUANTIZED[node.target]
        given = dict(node.kwargs)
        if any(given.pop(key, empty) != empty for key, empty in _TAIL.items()):
            return
        chain, last, kwargs, names = self.tail_of(node, name)
        if chain:
            self.replace(last, target, node.args, {**given, **kwargs}, chain[::-1])
            self.done.append("+".join(names))

    def tail_of(self, node, name):
        """Activation, product and sum that can be part of `node`: the nodes before the last,
        the last, the keyword arguments they become, and the names of all."""
        chain, last, kwargs, names = [], node, {}, [name]
        while True:
            user = self.one_user(last)
            if user is None or user.op != "call_function" or not self.may_move(node, user):
                break
            activation, other = activation_node(user), self.other_operand(user, last)
            if activation and "activation" not in kwargs and "mul" not in kwargs:
                if "add" in kwargs:
                    kwargs["add_first"] = True
                kwargs["activation"] = activation
                names.append(activation)
            elif user.target is MUL and other is not None and not {"mul", "add"} & kwargs.keys():
                kwargs["mul"] = other
                names.append("mul")
            elif user.target is ADD and other is not None and "add" not in kwargs:
                kwargs["add"] = other
                names.append("add")
            else:
                break
            chain.append(last)
            last = user
        return chain, last, kwargs, names

    def other_operand(self, user, node):
        if user.target not in (ADD, MUL) or len(user.args) != 2 or user.kwargs:
            return None
        other = user.args[1] if user.args[0] is node else user.args[0]
        return other if isinstance(other, fx.Node) and other is not node else None

    # convolution and what follows

    def what_follows(self, node, name):
        """An addition and an activation that can be part of `node`: the nodes before the
        last, the last, the keyword arguments they become, and the names of all."""
        chain, last, kwargs, names = [], node, {}, [name]
        user = self.one_user(node)
        if user is not None and user.op == "call_function" and user.target is ADD:
            other = self.other_operand(user, node)
            if other is not None and self.may_move(node, user):
                chain.append(last)
                kwargs["add"], last = other, user
                names.append("add")
                user = self.one_user(last)
        activation = user is not None and activation_node(user)
        if activation and self.may_move(node, user):
            chain.append(last)
            kwargs["activation"], last = activation, user
            names.append(activation)
        return chain, last, kwargs, names

    def fuse_convolutions(self):
        # The last one first: of two convolutions that are added, the one that is done
        # later takes the other's result.
        for node in reversed(list(self.graph.nodes)):
            if (node.op != "call_function" or node.target not in _CONVOLUTIONS or node.kwargs
                    or not self.is_weight(node.args[1])):
                continue
            chain, last, kwargs, names = self.what_follows(node, "convolution")
            args = node.args + _CONVOLUTION_DEFAULTS[len(node.args):]
            dims = [d for d, f in CONVOLUTIONS.items() if f is node.target][0]
            if isinstance(args[4], str):
                continue
            spread = tuple([v] * dims if isinstance(v, int) else list(v) for v in args[3:6])
            self.replace(last, ops.convolution, (*args[:3], *spread, args[6]), kwargs, chain[::-1])
            self.done.append("+".join(names))
            self.any_convolution = True
        if self.any_convolution:
            self.let_formats_differ()

    def let_formats_differ(self):
        """Convolutions give channels last, where a `view` may not be possible."""
        for node in self.graph.nodes:
            if node.op == "call_method" and node.target == "view" and len(node.args) > 1 and (
                    not node.kwargs and not isinstance(node.args[1], torch.dtype)):
                node.target = "reshape"

    def keep_dtype_of_norms(self):
        for node in list(self.graph.nodes):
            if node.op == "call_function" and node.target is F.layer_norm and not node.kwargs:
                node.target = ops.layer_norm
