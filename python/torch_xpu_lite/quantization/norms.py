"""Which batch norm follows which convolution, and nothing else does."""

from torch import nn

from torch_xpu_lite.optimization import tracing


def norms_of(model):
    """{name of a convolution: name of its batch norm} within `model`, in eval mode.

    Only where every call of the convolution is followed by the batch norm and by nothing
    else, as far as forwards can be traced.
    """
    found = {}
    names = {id(module): name for name, module in model.named_modules()}
    _search(model, names, found)
    # A module that is used in several places is not folded in one of them.
    used = [name for name, _ in model.named_modules(remove_duplicate=False)]
    shared = {id(m) for m in model.modules()
              if sum(id(model.get_submodule(n)) == id(m) for n in used) > 1}
    return {conv: norm for conv, norm in found.items()
            if not shared & {id(model.get_submodule(conv)), id(model.get_submodule(norm))}}


def _search(module, names, found):
    if not list(module.children()):
        return
    if "forward" not in module.__dict__ and not isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        try:
            graph = tracing.trace(module)
        except tracing.Refused:
            graph = None
        if graph is not None:
            _pairs(module, graph, names, found)
            return
    for child in module.children():
        _search(child, names, found)


def _pairs(module, graph, names, found):
    calls = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls.setdefault(id(module.get_submodule(node.target)), []).append(node)
    for nodes in calls.values():
        if len(nodes) != 1 or len(nodes[0].users) != 1:
            continue
        (user,) = nodes[0].users
        if user.op != "call_module":
            continue
        conv, norm = module.get_submodule(nodes[0].target), module.get_submodule(user.target)
        if (type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d
                and len(calls[id(norm)]) == 1 and norm.running_mean is not None
                and norm.running_var is not None):
            found[names[id(conv)]] = names[id(norm)]
