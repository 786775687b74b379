"""The whole model as one graph, by the front end of torch.compile.

TorchDynamo runs the model's Python once per kind of input and guards what it saw; its
graphs are brought to the normal form and fused like those of single modules, so that
projections of one tensor are one product and residuals are added by the product before
them wherever modules end. No code is generated for another compiler.
"""

import torch
from torch_xpu_lite import _C, _loader
from torch_xpu_lite.optimization import low_precision
from torch_xpu_lite.optimization.fusion import fuse
from torch_xpu_lite.optimization.normal_form import normalise
from torch_xpu_lite.optimization.program import Program

_DEVICE = _loader.NAME


class CapturedForward:
    """Hangs on ``module.forward``. Training, gradients and other devices get the module's own.

    Attributes:
        done: names of the fusions, of all graphs captured so far.
    """

    def __init__(self, module, low=None):
        self.module, self.low, self.done, self.compiled = module, low, [], None

    def __getstate__(self):
        return {"module": self.module, "low": self.low}

    def __setstate__(self, state):
        self.__init__(**state)

    __signature__ = low_precision.AutocastForward.__signature__

    def __call__(self, *args, **kwargs):
        module = self.module
        if module.training or torch.is_grad_enabled() or not self._on_device():
            return type(module).forward(module, *args, **kwargs)
        if self.compiled is None:
            # A function of its own: its cache of graphs is this model's.
            def forward(*args, **kwargs):
                return type(module).forward(module, *args, **kwargs)

            self.compiled = torch.compile(forward, backend=self._graph)
        return self.compiled(*args, **kwargs)

    def _on_device(self):
        first = next(self.module.parameters(), None)
        return first is None or first.device.type == _DEVICE

    def _graph(self, captured, example_inputs):
        """The backend of torch.compile: a callable in the place of `captured`."""
        graph, positions = torch.fx.Graph(), {}
        copies = {}
        for i, node in enumerate(captured.graph.nodes):
            if node.op == "placeholder" and ("_parameters_" in node.target or "_buffers_" in node.target):
                positions[node.target] = i
                copies[node] = graph.create_node("get_attr", node.target)
            else:
                copies[node] = graph.node_copy(node, copies.__getitem__)
        if any(node.op in ("call_module", "get_attr") for node in captured.graph.nodes):
            return captured.forward  # constants and higher-order operators: as they are
        normalise(graph, None)
        done = fuse(graph, low=self.low)
        if not done:
            return captured.forward
        self.done += done
        return _Run(Program(graph), positions, len(example_inputs))


class _Run:
    """Calls a program with what Dynamo passes: weights and inputs in one list."""

    def __init__(self, program, positions, count):
        self.program = program
        self.weights = [positions[name] for name in program.weights]
        taken = set(positions.values())
        self.inputs = [i for i in range(count) if i not in taken]
        self.kept = (None, None)

    def __call__(self, *args):
        weights = [args[i] for i in self.weights]
        inputs = [args[i] for i in self.inputs]
        if self.program.derives_nothing:
            return self.program.run(self.program.derive(*weights), *inputs)
        snapshot, derived = self.kept
        sources = [weights[i] for i in self.program.sources]
        if snapshot is None or not snapshot.holds(sources):
            # Before the weights are read: a write from now on is noticed. None where it
            # would not be: then it is made for this call.
            snapshot = _C._snapshot(sources)
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(_DEVICE, enabled=False):
                derived = self.program.derive(*weights)
            torch.xpu_lite.current_stream().synchronize()  # other streams use it next
            self.kept = (snapshot, derived)
        current = [value if i is None else weights[i]
                   for i, value in zip(self.program.passed, derived)]
        return self.program.run(current, *inputs)
