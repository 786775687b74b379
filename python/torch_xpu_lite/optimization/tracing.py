"""One module's ``forward`` as a graph of torch functions, where it can be had.

torch.fx runs ``forward`` once on stand-ins. What that run cannot show is guarded: which
arguments were given (:func:`required_arguments`), the training flag and hooks of the
modules inside, gradients, devices (``fused_forward.py``). What it may show wrong
(``isinstance``, state changed by the call) makes the graph be refused here or fail the
comparison with the module's own ``forward`` at the first call.
"""

import inspect

import torch
from torch import fx, nn

_ONE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Refused(Exception):
    """This module's forward is left as it is; the text says why."""


def required_arguments(module):
    """Names of the arguments of ``forward`` that have no default: those that are tensors in
    the graph. All others must be left at their defaults where the graph is used."""
    parameters = list(inspect.signature(type(module).forward).parameters.values())[1:]
    for parameter in parameters:
        if parameter.kind not in _ONE + _REST and parameter.default is inspect.Parameter.empty:
            raise Refused("a keyword argument is required")
    names = [p.name for p in parameters
             if p.kind in _ONE and p.default is inspect.Parameter.empty]
    if not 1 <= len(names) <= 8:
        raise Refused("no tensor arguments")
    return names


def is_conv1d(module):
    """GPT-2's linear layer with a transposed weight (transformers' Conv1D)."""
    return (type(module).__name__ == "Conv1D"
            and type(module).__module__.split(".")[0] == "transformers")


def is_plain_function(module):
    """No parameters, buffers or children: an activation, perhaps."""
    return (not module._parameters and not module._buffers and not module._modules
            and type(module).forward is not nn.Module.forward)


class _Tracer(fx.Tracer):
    def __init__(self, names):
        super().__init__()
        self.names = names

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        return root_fn, [self.root, *(self.create_proxy("placeholder", n, (), {}) for n in self.names)]

    def is_leaf_module(self, module, qualified_name):
        if module is self.root:
            return False
        return (super().is_leaf_module(module, qualified_name) or is_conv1d(module)
                or is_plain_function(module) or "forward" in module.__dict__)


def trace(module):
    """The graph of ``module.forward``.

    Raises:
        Refused: it cannot be traced, or the trace would not tell the whole.
    """
    names = required_arguments(module)
    for inner in module.modules():
        if inner._forward_hooks or inner._forward_pre_hooks:
            raise Refused("a module inside has hooks")
    before = {m: {k: (v, _copy_of(v)) for k, v in m.__dict__.items()} for m in module.modules()}
    # The instance's own forward may be ours; what is traced is the class's.
    try:
        graph = _Tracer(names).trace(module)
    except Exception as error:  # the module's own code runs on stand-ins: anything may happen
        raise Refused(f"cannot be traced: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    finally:
        changed = _restore(before)
    if changed:
        raise Refused(f"forward changes {changed}")
    for node in graph.nodes:
        if node.op == "get_attr" and not _is_weight(module, node.target):
            raise Refused("a tensor that is neither a parameter nor a buffer")
    return graph


def _restore(before):
    """Takes back what tracing left on the modules; the name of an attribute that it set."""
    changed = None
    for module, attributes in before.items():
        now = module.__dict__
        for name in list(now):
            if name not in attributes:
                if not name.startswith("_tensor_constant"):
                    changed = name
                del now[name]
            elif now[name] is not attributes[name][0]:
                changed = name
                now[name] = attributes[name][0]
            elif attributes[name][1] is not None and (
                    _content(now[name]) != _content(attributes[name][1])):
                changed = name
                _refill(now[name], attributes[name][1])
    return changed


def _copy_of(value):
    """A container's objects in a container of its own, else None."""
    return value.copy() if type(value) in (list, dict, set) else None


def _content(value):
    """Which objects a container holds."""
    if isinstance(value, dict):
        return [*value.keys(), *map(id, value.values())]
    return [id(v) for v in value] if isinstance(value, (list, set)) else None


def _refill(value, content):
    value.clear()
    (value.extend if isinstance(value, list) else value.update)(content)


def _is_weight(module, path):
    *way, name = path.split(".")
    for step in way:
        module = module._modules.get(step)
        if module is None:
            return False
    return name in module._parameters or name in module._buffers


def place_of(module, path):
    """(dictionary, name): where a parameter or buffer is looked up at each call, so that
    one that was replaced or moved is seen."""
    *way, name = path.split(".")
    for step in way:
        module = module._modules[step]
    return (module._parameters if name in module._parameters else module._buffers), name


def tensor_at(module, path):
    places, name = place_of(module, path)
    return places[name]


def modules_called(module, graph):
    """The modules whose calls the graph took in: their flags and hooks are looked at before
    it is used."""
    found = {id(m): m for m in module.modules() if m is not module}
    return [module, *found.values()]


def is_tensor(value):
    return type(value) is torch.Tensor or type(value) is nn.Parameter
