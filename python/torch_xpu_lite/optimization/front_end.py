"""``optimize``: the arguments, the levels, and the order of the steps."""

import copy

import torch
from torch import nn

from torch_xpu_lite.optimization import optimizers
from torch_xpu_lite.optimization.low_precision import AutocastForward
from torch_xpu_lite.optimization.modules import fuse_modules

_LEVELS = ("O0", "O1")
_DTYPES = (None, torch.float32, torch.bfloat16, torch.float16)


def optimize(model, optimizer=None, *, dtype=None, inplace=False, level="O1",
             sample_input=None, graph=False):
    """Makes a model faster on the device, for inference or for training.

    For inference (``model.eval()``): batch norms are folded into the convolutions and linear
    layers before them, dropout is gone, linear layers and convolutions are done together with
    the activations, additions and products that follow, projections of one tensor as one
    product. For training, or with an optimizer: the optimizer's step is one kernel. `dtype`
    serves both.

    Parameters and buffers keep their names, values, dtypes and places: a ``state_dict`` of the
    result loads into the original model and the other way round. What is derived from them
    is made at the first call, after ``.to("xpu_lite")`` or before, and again when a weight
    changes. ``train()``, gradients and other devices get the model's own forward, unfused.

    Args:
        model: a ``torch.nn.Module``, on any device.
        optimizer: of the model's parameters; for training.
        dtype: ``torch.bfloat16`` or ``torch.float16``: products run in it, under autocast that
            the model turns on itself; parameters stay as they are, and are the master weights
            of a training.
        inplace: whether to change the model and the optimizer, and not a copy of both.
        level: "O1", all of it; "O0", only `dtype`.
        sample_input: a tensor, a tuple of positional or a dict of keyword arguments of the
            model. The optimized model is run on them once and compared with the original.
        graph: also capture the whole model with torch.compile's front end, per shape of
            the inputs, and fuse across its modules.

    Returns:
        the model, or (model, optimizer) when an optimizer was given.

    Raises:
        TypeError: an argument of another type.
        ValueError: an unknown level, a dtype or combination that is not supported, an optimizer
            of other parameters.
        RuntimeError: the optimized model's result for `sample_input` is not the original's.
    """
    _check(model, optimizer, dtype, level, sample_input, graph)
    if not inplace:
        model, optimizer = _copies(model, optimizer)
    inference = not model.training and optimizer is None
    low = dtype if dtype in (torch.bfloat16, torch.float16) else None
    before = None
    if sample_input is not None:
        before = _run(model, sample_input, low)
    undo(model)
    report = {}
    if inference and level == "O1" and not graph:
        report = fuse_modules(model, low)
    if level == "O1" and optimizer is not None:
        report["optimizer"] = [optimizers.fuse(optimizer)]
    if graph and inference and level == "O1":
        from torch_xpu_lite.optimization.capture import CapturedForward

        model.forward = CapturedForward(model, low)
        report["graph"] = ["captured at the first call of a shape"]
    if low is not None:
        model.forward = AutocastForward(model, low, model.__dict__.get("forward"))
    model.__dict__["_xpu_lite_report"] = report
    if before is not None:
        _compare(model, sample_input, before)
    return model if optimizer is None else (model, optimizer)


def describe(model):
    """What :func:`optimize` did to a model: {name of a module: fusions, as text}.

    Raises:
        ValueError: the model was not optimized.
    """
    report = model.__dict__.get("_xpu_lite_report")
    if report is None:
        raise ValueError("describe: this model was not returned by torch_xpu_lite.optimize")
    return dict(report)


def undo(model):
    """Takes away what :func:`optimize` hung on a model: it is the original again."""
    for module in model.modules():
        forward = module.__dict__.get("forward")
        if type(forward).__module__.startswith("torch_xpu_lite.optimization"):
            del module.forward
    model.__dict__.pop("_xpu_lite_report", None)


def _check(model, optimizer, dtype, level, sample_input, graph):
    if not isinstance(model, nn.Module):
        raise TypeError(f"optimize: model must be a torch.nn.Module, got {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("optimize: model is a ScriptModule; pass the torch.nn.Module it was made of")
    if type(model).__name__ == "OptimizedModule":
        raise TypeError("optimize: model comes from torch.compile; optimize it first, with graph=True "
                        "for a captured graph")
    if isinstance(model, nn.parallel.DistributedDataParallel) or hasattr(model, "_fsdp_wrapped_module"):
        raise ValueError(f"optimize: call it before the model is wrapped in {type(model).__name__}")
    if level not in _LEVELS:
        raise ValueError(f'optimize: level must be "O0" or "O1", got {level!r}')
    if dtype not in _DTYPES:
        raise ValueError("optimize: dtype must be torch.bfloat16, torch.float16, torch.float32 or None, "
                         f"got {dtype!r}")
    if optimizer is not None:
        optimizers.check(model, optimizer)
        if dtype == torch.float16:
            raise ValueError("optimize: dtype=torch.float16 is for inference; train in bfloat16")
        if graph:
            raise ValueError("optimize: graph=True is for inference, without an optimizer")
    if sample_input is not None and not isinstance(sample_input, (torch.Tensor, tuple, list, dict)):
        raise TypeError("optimize: sample_input must be a tensor, a tuple of positional or a dict of "
                        f"keyword arguments, got {type(sample_input).__name__}")


def _copies(model, optimizer):
    try:
        # Together: the copied optimizer has the copied model's parameters.
        return copy.deepcopy((model, optimizer))
    except Exception as error:
        raise RuntimeError(
            f"optimize: {type(model).__name__} cannot be copied ({type(error).__name__}: {error}); "
            "pass inplace=True") from error


def _run(model, sample, low=None):
    args, kwargs = (), {}
    if isinstance(sample, dict):
        kwargs = sample
    else:
        args = (sample,) if isinstance(sample, torch.Tensor) else tuple(sample)
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), torch.autocast("xpu_lite", low or torch.bfloat16, enabled=low is not None):
            return model(*args, **kwargs)
    finally:
        model.train(training)


def _compare(model, sample, before):
    from torch_xpu_lite.optimization import compare

    _run(model, sample)  # the fused parts compare themselves at their first call
    after = _run(model, sample)
    low = model.forward.dtype if isinstance(model.__dict__.get("forward"), AutocastForward) else None
    with torch.autocast("xpu_lite", low or torch.bfloat16, enabled=low is not None):
        different = compare.difference(before, after, (), low is None)
    if different is not None:
        undo(model)
        raise RuntimeError(f"optimize: the optimized {type(model).__name__} gives another result than the "
                           f"original for sample_input ({different}); it was left unoptimized")
