"""A fused graph as two Python functions: one on the weights, one on the inputs.

The first computes what is derived from weights (a folded batch norm, joined projections);
it runs again only when a weight was written to, replaced or moved. The second is the
graph; it gets the inputs and what the first one gave.
"""

from torch import fx

from torch_xpu_lite.optimization.fusion import of_weights


class Program:
    """Compiled from a graph of the normal form.

    Args:
        graph: its placeholders are the inputs; `get_attr` nodes are the weights.
        module_at: the module that a `call_module` node names.

    Attributes:
        weights: targets of the `get_attr` nodes, in the order `derive` takes them.
        derive: function of the weights; the list that `run` takes as its first argument.
        run: function (derived, *inputs) that gives the graph's output.
        sources: indices of the weights that something is derived from.
        passed: for each result of `derive`, the index of the weight that it is, or None.
        derives_nothing: `derive` only passes its arguments on.
        source: the two functions as text.
    """

    def __init__(self, graph, module_at=None):
        is_weight = lambda node: node.op == "get_attr"  # noqa: E731
        self.weights, names, values = [], {}, {}
        early, late = [], []
        inputs, result = [], "None"
        last_use = {}
        for node in graph.nodes:
            for used in node.all_input_nodes:
                last_use[used] = node
        for i, node in enumerate(graph.nodes):
            name = names[node] = f"v{i}"
            if node.op == "placeholder":
                inputs.append(name)
            elif node.op == "get_attr":
                if node.target not in self.weights:
                    self.weights.append(node.target)
                names[node] = f"w{self.weights.index(node.target)}"
            elif node.op == "output":
                result = _text(node.args[0], names, values)
            else:
                target = (early if of_weights(node, is_weight) else late)
                target.append((node, f"    {name} = {_call(node, names, values, module_at)}"))
        self.derives_nothing = not early
        self.sources = sorted({self.weights.index(used.target) for node, _ in early
                               for used in node.all_input_nodes if used.op == "get_attr"})
        made_early = {node for node, _ in early} | {n for n in graph.nodes if n.op == "get_attr"}
        needed = sorted({names[used] for node in graph.nodes if node not in made_early
                         for used in node.all_input_nodes if used in made_early},
                        key=lambda name: (name[0], int(name[1:])))
        self.passed = [int(name[1:]) if name[0] == "w" else None for name in needed]
        lines = [f"def derive({', '.join(f'w{i}' for i in range(len(self.weights)))}):"]
        lines += [line for _, line in early]
        lines += [f"    return [{', '.join(needed)}]", ""]
        lines += [f"def run({', '.join(['derived', *inputs])}):"]
        if needed:
            lines += [f"    [{', '.join(needed)}] = derived"]
        for node, line in late:
            lines.append(line)
            done = [names[used] for used in node.all_input_nodes
                    if last_use[used] is node and used not in made_early]
            if done:  # memory goes back as soon as it can
                lines.append(f"    del {', '.join(dict.fromkeys(done))}")
        lines += [f"    return {result}", ""]
        self.source = "\n".join(lines)
        scope = {text: value for value, text in values.values()}
        exec(compile(self.source, "<torch_xpu_lite.optimize>", "exec"), scope)
        self.derive, self.run = scope["derive"], scope["run"]


def _bind(value, values):
    """A name for an object that the functions refer to."""
    return values.setdefault(id(value), (value, f"c{len(values)}"))[1]


def _call(node, names, values, module_at):
    arguments = [_text(a, names, values) for a in node.args]
    arguments += [f"{k}={_text(v, names, values)}" for k, v in node.kwargs.items()]
    if node.op == "call_method":
        return f"{arguments[0]}.{node.target}({', '.join(arguments[1:])})"
    target = module_at(node.target) if node.op == "call_module" else node.target
    return f"{_bind(target, values)}({', '.join(arguments)})"


def _text(value, names, values):
    if isinstance(value, fx.Node):
        return names[value]
    if value is None or type(value) in (bool, int, str):
        return repr(value)
    if type(value) is list:
        return f"[{', '.join(_text(v, names, values) for v in value)}]"
    if type(value) in (tuple, fx.immutable_collections.immutable_list):
        inside = "".join(f"{_text(v, names, values)}, " for v in value)
        return f"({inside})" if type(value) is tuple else f"[{inside}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_text(k, names, values)}: {_text(v, names, values)}"
                           for k, v in value.items())
        return f"{{{inside}}}"
    if type(value) is slice:
        parts = (_text(v, names, values) for v in (value.start, value.stop, value.step))
        return f"slice({', '.join(parts)})"
    return _bind(value, values)
