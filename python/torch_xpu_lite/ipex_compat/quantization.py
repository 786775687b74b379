"""``ipex.quantization``: ``prepare``, run calibration data, ``convert``."""

import copy

import torch
from torch_xpu_lite.ipex_compat import on_device

__all__ = ["convert", "default_dynamic_qconfig", "default_static_qconfig", "prepare"]

default_static_qconfig = "static"
default_dynamic_qconfig = "dynamic"


class _Recorder:
    """A hook that keeps the inputs of the calibration runs."""

    def __init__(self):
        self.inputs = []

    def __call__(self, module, args, kwargs):
        keep = lambda t: t.detach().clone()  # noqa: E731
        self.inputs.append((on_device.map_tensors(keep, args), on_device.map_tensors(keep, kwargs)))


def prepare(model, configure=default_static_qconfig, example_inputs=None, inplace=False,
            bn_folding=True, example_kwarg_inputs=None):
    """A model that remembers what it is called with, for :func:`convert`.

    Args:
        configure: ``default_static_qconfig`` or ``default_dynamic_qconfig``.
        example_inputs: not needed.

    Raises:
        ValueError: another configuration.
    """
    if configure not in ("static", "dynamic"):
        raise ValueError("quantization.prepare: configure must be default_static_qconfig or "
                         f"default_dynamic_qconfig of ipex_compat.quantization, got {configure!r}")
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"quantization.prepare: model must be a torch.nn.Module, got {type(model).__name__}")
    model = model if inplace else copy.deepcopy(model)
    recorder = _Recorder()
    model.__dict__["_xpu_lite_calibration"] = (
        configure, recorder, model.register_forward_pre_hook(recorder, with_kwargs=True))
    return model


def convert(model, inplace=False):
    """The model of :func:`prepare`, quantized by ``torch_xpu_lite.quantize`` with what it was
    called with since; on the device, taking and giving CPU tensors if it was on the CPU.

    Raises:
        ValueError: the model does not come from prepare, or static quantization has not seen
            any data.
    """
    from torch_xpu_lite import quantize

    prepared = model.__dict__.pop("_xpu_lite_calibration", None)
    if prepared is None:
        raise ValueError("quantization.convert: call quantization.prepare first")
    configure, recorder, handle = prepared
    handle.remove()
    if configure == "static" and not recorder.inputs:
        raise ValueError("quantization.convert: static quantization needs data: call the prepared model on "
                         "calibration data first")
    model = model if inplace else copy.deepcopy(model)
    was_on_cpu = on_device.move(model)
    there = lambda t: t.to("xpu_lite")  # noqa: E731
    data = [_sample(on_device.map_tensors(there, args), on_device.map_tensors(there, kwargs))
            for args, kwargs in recorder.inputs]
    model = quantize(model, data or None, mode=configure)
    return on_device.let_cpu_in(model) if was_on_cpu else model


def _sample(args, kwargs):
    if kwargs and args:
        raise ValueError("quantization.convert: calibrate with positional or with keyword arguments, not both")
    return kwargs or (args[0] if len(args) == 1 else args)
