"""``ipex.optimize`` and the small names beside it."""

import copy
import enum
import warnings

import torch
from torch_xpu_lite.ipex_compat import on_device
from torch_xpu_lite.optimization.front_end import optimize as _optimize

_LEVELS = ("O0", "O1")


def optimize(model, dtype=None, optimizer=None, level="O1", inplace=False, conv_bn_folding=None,
             linear_bn_folding=None, weights_prepack=None, replace_dropout_with_identity=None,
             optimize_lstm=None, split_master_weight_for_bf16=None, fuse_update_step=None,
             auto_kernel_selection=None, sample_input=None, graph_mode=None, concat_linear=None):
    """``ipex.optimize``, by :func:`torch_xpu_lite.optimize`.

    A model on the CPU is moved to the device and still takes and gives CPU tensors. `level`
    "O0" does no more than that and `dtype`. `graph_mode=True` captures the model. The other
    switches have nothing to switch: what they stand for is done where it is right, and a
    switch set to False is answered with a warning.

    Returns:
        the model, or (model, optimizer).

    Raises:
        TypeError, ValueError: as :func:`torch_xpu_lite.optimize`.
    """
    switches = dict(conv_bn_folding=conv_bn_folding, linear_bn_folding=linear_bn_folding,
                    weights_prepack=weights_prepack, optimize_lstm=optimize_lstm,
                    replace_dropout_with_identity=replace_dropout_with_identity,
                    split_master_weight_for_bf16=split_master_weight_for_bf16,
                    fuse_update_step=fuse_update_step, concat_linear=concat_linear)
    off = [name for name, value in switches.items() if value is False]
    if level == "O1" and off:
        warnings.warn(f"ipex_compat.optimize: {', '.join(off)}=False has no effect; results are the same "
                      'with and without, and level="O0" turns all of it off', stacklevel=2)
    if isinstance(model, torch.nn.Module) and level in _LEVELS and not inplace:
        model, optimizer = copy.deepcopy((model, optimizer))
    was_on_cpu = isinstance(model, torch.nn.Module) and on_device.move(model, optimizer)
    if was_on_cpu and sample_input is not None:
        sample_input = on_device.map_tensors(lambda t: t.to("xpu_lite"), sample_input)
    result = _optimize(model, optimizer, dtype=dtype, inplace=True, level=level,
                       sample_input=sample_input, graph=bool(graph_mode))
    if was_on_cpu:
        on_device.let_cpu_in(model)
    return result


def fast_bert(model, dtype=torch.float, optimizer=None, unpad=False):
    """``ipex.fast_bert``: :func:`optimize`, for any model. `unpad` is left out of account."""
    return optimize(model, dtype=None if dtype == torch.float else dtype, optimizer=optimizer)


class FP32MathMode(enum.IntEnum):
    """``ipex.FP32MathMode``."""

    FP32 = 0
    TF32 = 1
    BF32 = 2


def set_fp32_math_mode(mode=FP32MathMode.FP32, device="cpu"):
    """float32 products are float32's here: only ``FP32MathMode.FP32`` is accepted.

    Raises:
        NotImplementedError: another mode; ``optimize(dtype=torch.bfloat16)`` does what BF32 is for.
    """
    if mode != FP32MathMode.FP32:
        raise NotImplementedError(
            f"set_fp32_math_mode: {mode!r} is not supported; optimize(model, dtype=torch.bfloat16) runs "
            "products in bfloat16 and keeps float32 parameters")


def enable_onednn_fusion(enabled):
    """Accepted: fusion is part of :func:`optimize`, without TorchScript."""


def enable_auto_channels_last():
    """Accepted: convolutions take channels last by themselves."""


def disable_auto_channels_last():
    """Accepted: the memory format of results is the original's in any case."""


# A context manager that prints what oneDNN does.
verbose = torch.backends.mkldnn.verbose
