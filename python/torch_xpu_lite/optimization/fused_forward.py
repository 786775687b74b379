"""The ``forward`` of a module whose graph is fused; the module itself stays as it is.

Parameters, buffers, names and children are untouched, so a state_dict is the original
model's. Before each call it is asked whether the graph holds: no training flag and no hook
on the modules inside, no gradients asked for, plain tensors on the device, arguments as
they were traced. Otherwise the class's own ``forward`` runs. At the first call with inputs
of a kind both run, and a graph whose result differs is never used again.
"""

import inspect
import threading
import warnings

import torch

from torch_xpu_lite import _C, _loader
from torch_xpu_lite.optimization import compare, tracing
from torch_xpu_lite.optimization.fusion import fuse
from torch_xpu_lite.optimization.normal_form import makes_new, normalise, writes_in_place
from torch_xpu_lite.optimization.ops import (
    NotAsTraced, byte_max_pool2d, convolution, int8_convolution, int8_linear, linear, linear_of_rows,
    weight_only_linear)
from torch_xpu_lite.optimization.program import Program
from torch_xpu_lite.optimization.tracing import Refused

_DEVICE = _loader.NAME


class FusedForward:
    """Hangs on ``module.forward``.

    Args:
        module: stays usable without it: ``del module.forward``.
        low: the dtype that norms inside keep under autocast, or None.

    Attributes:
        done: names of the fusions, such as "linear+gelu".

    Raises:
        Refused: the module cannot be traced, or nothing in it can be fused.
    """

    def __init__(self, module, low=None):
        self.module, self.low = module, low
        self.disabled = None  # or the reason
        self._build()

    def _build(self):
        graph = tracing.trace(self.module)
        normalise(graph, self.module)
        self.done = fuse(graph, self.module, low=self.low)
        if not self.done:
            raise Refused("nothing to fuse")
        _refuse_writes(graph, self.module)
        self.inside = tracing.modules_called(self.module, graph)
        self.names = [node.target for node in graph.nodes if node.op == "placeholder"]
        self.program = Program(graph, self.module.get_submodule)
        self.places = [tracing.place_of(self.module, path) for path in self.program.weights]
        self.verified, self.lock = {}, threading.Lock()
        self.snapshot, self.derived = None, None

    @property
    def _rounds_to_bytes(self):
        """Residuals between quantized convolutions are rounded to 8 bits, too."""
        return "8-bit result" in self.done

    # A copy of the module gets a graph of its own, at its first call.
    def __getstate__(self):
        return {"module": self.module, "low": self.low, "done": self.done, "names": self.names,
                "disabled": self.disabled}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.program = None

    @property
    def __signature__(self):
        signature = inspect.signature(type(self.module).forward)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(self, *args, **kwargs):
        inputs = self._inputs(args, kwargs) if kwargs else args
        if self.disabled is None and self._holds(inputs):
            try:
                return self._run(inputs)
            except NotAsTraced:
                pass
        return type(self.module).forward(self.module, *args, **kwargs)

    def _inputs(self, args, kwargs):
        """The arguments of the graph in its order; () when there are others."""
        names = self.names[len(args):]
        return (*args, *map(kwargs.get, names)) if kwargs.keys() == set(names) else ()

    def _holds(self, args):
        if self.program is None:
            try:
                self._build()
            except Refused as reason:
                self.disabled = str(reason)
                return False
        if len(args) != len(self.names) or torch.compiler.is_compiling():
            return False
        for tensor in args:
            if not tracing.is_tensor(tensor) or tensor.device.type != _DEVICE:
                return False
        for module in self.inside:
            if module.training or module._forward_hooks or module._forward_pre_hooks:
                return False
        return torch._C._functorch.peek_interpreter_stack() is None

    def _run(self, args):
        weights = [places[name] for places, name in self.places]
        if torch.is_grad_enabled() and any(t.requires_grad for t in (*args, *weights)):
            raise NotAsTraced("gradients are recorded")
        derived = self._derived(weights, args[0].device)
        kind = (torch.is_autocast_enabled(_DEVICE), torch.get_autocast_dtype(_DEVICE),
                *((t.dtype, t.dim(), t.dim() < 4 or t.is_contiguous()) for t in args))
        dense = self.verified.get(kind)
        if dense is None:
            return self._verify(kind, derived, args)
        result = self.program.run(derived, *args)
        return compare.as_dense_as(dense, result)

    def _derived(self, weights, device):
        snapshot, derived = self.snapshot, self.derived  # in this order: they are set in the other
        if snapshot is not None and snapshot.holds(weights):
            return derived
        for weight in weights:
            if not tracing.is_tensor(weight) or weight.device != device:
                raise NotAsTraced("a weight is elsewhere")
        if self.program.derives_nothing:
            return self.program.derive(*weights)
        with self.lock:
            # Before the weights are read: a write from now on is noticed.
            snapshot = _C._snapshot(weights)
            if snapshot is None:
                raise NotAsTraced("others may write to a weight's memory")
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(_DEVICE, enabled=False):
                self.derived = derived = self.program.derive(*weights)
            # Calls on other streams use it next.
            torch.xpu_lite.current_stream(device).synchronize()
            self.snapshot = snapshot
        return derived

    def _verify(self, kind, derived, args):
        """Runs both and compares."""
        expected = type(self.module).forward(self.module, *args)
        try:
            actual = self.program.run(derived, *args)
            difference = compare.difference(expected, actual, args, self.low is None,
                                            self._rounds_to_bytes)
            if difference is not None and self._is_rounding(expected, actual, args):
                difference = None
        except NotAsTraced:
            return expected
        except Exception as error:
            difference = f"{type(error).__name__}: {error}"
        if difference is None:
            self.verified[kind] = dense = compare.density(expected)
            # Its dtypes and formats are what the next module sees from now on.
            return compare.as_dense_as(dense, actual)
        self.disabled = difference
        warnings.warn(
            f"torch_xpu_lite.optimize: {type(self.module).__name__} runs unfused: its fused form does "
            f"not give what its forward gives ({difference})", stacklevel=4)
        return expected


    def _is_rounding(self, expected, actual, args):
        """The results are apart because both were rounded to 16 bits on the way."""
        tensors = [*self.module.parameters(), *self.module.buffers()]
        if not torch.is_autocast_enabled(_DEVICE) or any(
                t.is_floating_point() and t.dtype != torch.float32 for t in tensors):
            return False
        with torch.autocast(_DEVICE, enabled=False):
            exact = type(self.module).forward(
                self.module, *(t.float() if t.is_floating_point() else t for t in args))
        return compare.no_further_from(exact, expected, actual)


_NEW = (linear, linear_of_rows, convolution, int8_convolution, int8_linear, weight_only_linear,
        byte_max_pool2d)
_NEW_MODULES = (torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d, torch.nn.AvgPool1d,
                torch.nn.AvgPool2d, torch.nn.AvgPool3d, torch.nn.AdaptiveAvgPool1d,
                torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool3d)


def _refuse_writes(graph, root):
    """A graph may write to what it made itself, not to what it was given: it must be
    possible to start again with the module's own forward."""
    for node in graph.nodes:
        if writes_in_place(node, root):
            x = node.args[0] if node.args else None
            if not (isinstance(x, torch.fx.Node) and (
                    makes_new(x) or x.target in _NEW or (
                        x.op == "call_module"
                        and type(root.get_submodule(x.target)) in _NEW_MODULES))):
                raise Refused("forward writes to memory that it did not make")
