"""The ways to run a model: each gives a function without arguments that runs one forward pass
and leaves the result in memory."""

import contextlib
import copy
import importlib.util

import torch

from torch_xpu_lite.bench.models import as_arguments, to_device

DTYPES = {"float32": None, "bfloat16": torch.bfloat16}


def tensor_of(output):
    """The first tensor of a model's output."""
    if isinstance(output, torch.Tensor):
        return output
    values = output.values() if hasattr(output, "values") else output
    return tensor_of(next(iter(values)))


def _call(model, inputs, device, dtype):
    args, kwargs = to_device(inputs, device)

    def run():
        with torch.inference_mode(), torch.autocast(device, dtype, enabled=dtype is not None):
            output = model(*args, **kwargs)
        if device != "cpu":
            getattr(torch, device).synchronize()
        return output

    return run


def stock(model, inputs, dtype, device):
    """PyTorch's eager mode on the CPU."""
    return _call(copy.deepcopy(model), inputs, "cpu", dtype)


def eager(model, inputs, dtype, device):
    """The device, nothing else changed."""
    return _call(copy.deepcopy(model).to(device), inputs, device, dtype)


def optimized(model, inputs, dtype, device):
    """``torch_xpu_lite.optimize``."""
    import torch_xpu_lite

    args, kwargs = to_device(inputs, device)
    there = torch_xpu_lite.optimize(copy.deepcopy(model).to(device), dtype=dtype)
    return _call(there, inputs, device, dtype)


def inductor(model, inputs, dtype, device):
    """``torch.compile`` on the CPU, with frozen weights."""
    import torch._inductor.config as config

    config.freezing = True
    return _call(torch.compile(copy.deepcopy(model)), inputs, "cpu", dtype)


def openvino(model, inputs, dtype, device):
    """OpenVINO, weights and activations in the same precision, all threads."""
    import openvino as ov

    args, kwargs = as_arguments(inputs)
    example = kwargs or (args if len(args) > 1 else args[0])
    converted = ov.convert_model(copy.deepcopy(model), example_input=example)
    compiled = ov.Core().compile_model(converted, "CPU", {
        "INFERENCE_PRECISION_HINT": "bf16" if dtype is not None else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    values = list(kwargs.values()) if kwargs else list(args)
    for port, value in zip(compiled.inputs, values):
        name = port.get_any_name()
        request.set_tensor(name, ov.Tensor((kwargs[name] if name in kwargs else value)
                                           .contiguous().numpy()))

    def run():
        request.infer()
        return torch.from_numpy(request.get_output_tensor(0).data)

    return run


def onnxruntime(model, inputs, dtype, device):
    """ONNX Runtime, float32 only, all threads."""
    import io

    import onnxruntime as ort

    if dtype is not None:
        raise NotImplementedError("ONNX Runtime on CPUs computes in float32")
    args, kwargs = as_arguments(inputs)
    file = io.BytesIO()
    torch.onnx.export(copy.deepcopy(model), args, file, kwargs=kwargs, dynamo=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    values = list(kwargs.values()) if kwargs else list(args)
    feed = {i.name: v.contiguous().numpy() for i, v in zip(session.get_inputs(), values)}
    return lambda: torch.from_numpy(session.run(None, feed)[0])


# In the order of the report; the first is what the others are compared with.
ENGINES = {"cpu": stock, "xpu_lite": eager, "optimized": optimized, "inductor": inductor,
           "openvino": openvino, "onnxruntime": onnxruntime}
_NEEDS = {"openvino": "openvino", "onnxruntime": "onnxruntime"}
DEFAULT = ["cpu", "xpu_lite", "optimized", "openvino", "onnxruntime"]


def missing(name: str) -> str:
    """Why an engine cannot run here, with the command that installs it; empty if it can."""
    package = _NEEDS.get(name)
    if package and importlib.util.find_spec(package) is None:
        return f"{name} is not installed (pip install {package})"
    return ""


@contextlib.contextmanager
def quiet():
    """Without the warnings of exporters, which are about their own insides."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
