"""`quantize()`: a model with its linear layers and convolutions in int8 or int4."""

import copy
import fnmatch
import numbers
import warnings

import torch
from torch import nn

from torch_xpu_lite.quantization.calibrate import observe
from torch_xpu_lite.quantization.convolution import QuantizedConv2d
from torch_xpu_lite.quantization.modules import QuantizedLinear, WeightOnlyLinear
from torch_xpu_lite.quantization.norms import norms_of
from torch_xpu_lite.quantization.observers import OBSERVERS

MODES = ("static", "dynamic", "weight_only")
GROUP_SIZES = (32, 64, 128)
_SMALL = 1 << 18  # weights of a layer that stays in a core's cache: int4 would read no faster
_LARGE = 1 << 20  # above, errors of single weights cancel out, and scales are bytes to read


def quantize(model, calibration_data=None, mode="static", bits=8, smooth=None, *,
             group_size=None, observer="mse", skip=(), inplace=False):
    """A model whose linear layers and convolutions compute with integers.

    Layers are replaced by :class:`QuantizedLinear` or :class:`WeightOnlyLinear`: ``nn.Linear``
    and the transposed ``Conv1D`` of Hugging Face's GPT-2. In mode "static" an ``nn.Conv2d`` of
    one group becomes a :class:`QuantizedConv2d`, with the batch norm after it folded in (an
    ``nn.Identity`` stands there then). Everything else stays as it is, so that the model
    keeps its inputs, outputs and methods; cast it to bfloat16 or run it under autocast for the
    rest to be fast, too. It runs on any device. :func:`torch_xpu_lite.optimize` makes chains of
    quantized convolutions pass 8-bit values to each other.

    Args:
        model: an nn.Module in eval mode, of float32, bfloat16 or float16.
        calibration_data: for ``mode="static"`` and for `smooth`: an iterable of batches (a
            tensor, a tuple of arguments, or a mapping of keyword arguments), or a callable that
            is given the model and runs it. 100 to 500 typical inputs are enough.
        mode: "static": int8 weights, inputs quantized with a scale found over the calibration
            data (a layer whose inputs differ too much in size for one scale is made dynamic);
            "dynamic": inputs quantized row by row with their own range; "weight_only":
            integers in memory, products in floats, for decoding.
        bits: of the weights: 8, or 4 with "weight_only" (layers of at most 2^18 weights take 8
            there: they stay in the processor's cache).
        smooth: move part of the inputs' range into the weights, feature by feature (Xiao et
            al., SmoothQuant, 2022): True for the strength 0.5, or a strength between 0 and 1.
            For int8 with calibration data.
        group_size: input features that share a scale: 32, 64 or 128; weight_only with 4 bits.
            None: 128, and 64 in layers of at most 2^20 weights. With 8 bits a row of the
            weight has one scale.
        observer: how the static range is found: "minmax", "percentile" (99.99 %) or "mse" (least
            squared error).
        skip: names of layers that stay floats; patterns as of ``fnmatch``, as "*.classifier".
        inplace: change the model itself instead of a copy (a model that is one linear layer is
            replaced in any case).
    Returns:
        The quantized model, for inference.
    Raises:
        TypeError: model is no nn.Module.
        ValueError: an unknown mode, bits, observer, group_size or smooth; no calibration data
            where it is needed; a layer of another dtype; nothing to quantize.
        RuntimeError: the model is in training mode.
    """
    strength = _check(model, calibration_data, mode, bits, smooth, group_size, observer)
    if isinstance(skip, str):
        skip = (skip,)
    if not inplace:
        model = copy.deepcopy(model)
    found = _layers(model, tuple(skip), 2 if bits == 4 else 1)
    layers = {name: _as_linear(name, layer) for name, layer in found.items()}
    images = _convolutions(model, tuple(skip)) if mode == "static" else {}
    if not layers and not images:
        what = "linear layer or convolution" if mode == "static" else "linear layer"
        raise ValueError(f"quantize: the model has no {what} to quantize")
    observers = {}
    if mode == "static" or strength is not None:
        observers = observe(model, {**_with_features(found, layers), **images}, calibration_data)
    made = {}  # a layer that is used under several names stays one layer
    left_out = []
    for name, layer in found.items():
        seen = observers.get(name)
        if mode == "static" and not seen.count:
            left_out.append(name)
            continue
        if id(layer) not in made:
            made[id(layer)] = _replacement(layers[name], seen, mode, bits, strength, group_size,
                                           observer)
        if not name:  # the model is one linear layer
            return made[id(layer)]
        _put(model, name, made[id(layer)])
    norms = norms_of(model) if images else {}
    for name, conv in images.items():
        seen = observers[name]
        if not seen.count:
            left_out.append(name)
            continue
        if id(conv) not in made:
            norm = norms.get(name)
            made[id(conv)] = QuantizedConv2d(conv, seen.range(observer),
                                             norm and model.get_submodule(norm))
            if norm:
                _put(model, norm, nn.Identity().eval())
        if not name:  # the model is one convolution
            return made[id(conv)]
        _put(model, name, made[id(conv)])
    if left_out:
        warnings.warn(f"quantize: no calibration batch reached {', '.join(left_out)}: "
                      f"{'they stay' if len(left_out) > 1 else 'it stays'} as before", stacklevel=2)
    _without_fast_path(model)
    return model


def _check(model, data, mode, bits, smooth, group_size, observer):
    """The strength of smoothing, or None."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"quantize: model must be an nn.Module, got {type(model).__name__}")
    if mode not in MODES:
        raise ValueError(f"quantize: mode must be one of {', '.join(MODES)}, got {mode!r}")
    allowed = (8, 4) if mode == "weight_only" else (8,)
    if bits not in allowed or isinstance(bits, bool):
        raise ValueError(f"quantize: bits must be {' or '.join(map(str, allowed))} for "
                         f"mode {mode!r}, got {bits!r}")
    if observer not in OBSERVERS:
        raise ValueError(f"quantize: observer must be one of {', '.join(OBSERVERS)}, "
                         f"got {observer!r}")
    if group_size is not None and group_size not in GROUP_SIZES:
        raise ValueError(f"quantize: group_size must be 32, 64 or 128, got {group_size!r}")
    strength = None
    if smooth is not None and smooth is not False:
        number = isinstance(smooth, numbers.Real)
        if not number or not 0 < float(smooth) <= 1:
            raise ValueError("quantize: smooth must be None, True or a number above 0 and up to "
                             f"1, got {smooth!r}")
        if mode == "weight_only":
            raise ValueError("quantize: smooth is for static and dynamic int8, not for "
                             "weight_only: inputs stay floats there")
        strength = 0.5 if smooth is True else float(smooth)
    if data is None and (mode == "static" or strength is not None):
        need = "mode 'static'" if mode == "static" else "smooth"
        raise ValueError(f"quantize: {need} needs calibration_data; mode 'dynamic' does without")
    if model.training:
        raise RuntimeError("quantize: the model is in training mode; call model.eval() first")
    return strength


def _is_conv1d(module):
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def _layers(model, skip, multiple):
    """{name: layer} of what can be replaced; in_features must be a multiple of `multiple`."""
    inside = set()  # read by their parents' own formulas, not called
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            inside.update(id(child) for child in module.modules())
    layers = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if id(module) in inside or any(fnmatch.fnmatchcase(name, pattern) for pattern in skip):
            continue
        if (type(module) is nn.Linear or _is_conv1d(module)) and module.weight.numel():
            features = module.weight.shape[0 if _is_conv1d(module) else 1]
            if features % multiple == 0 and features <= 65536:
                layers[name] = module
    return layers


def _convolutions(model, skip):
    """{name: layer} of the convolutions that can be replaced."""
    layers = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in skip):
            continue
        if (type(module) is nn.Conv2d and module.groups == 1 and module.weight.numel()
                and module.padding_mode == "zeros" and not isinstance(module.padding, str)
                and module.weight[0].numel() <= 65536):
            _check_dtype(name, module)
            layers[name] = module
    return layers


def _check_dtype(name, layer):
    if layer.weight.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"quantize: layer {name!r} has weights of {layer.weight.dtype}; float32, "
                         "bfloat16 and float16 can be quantized")


def _as_linear(name, layer):
    _check_dtype(name, layer)
    if type(layer) is nn.Linear:
        return layer
    linear = nn.Linear(1, 1, bias=False)
    linear.weight = nn.Parameter(layer.weight.detach().t(), requires_grad=False)
    linear.bias = layer.bias
    linear.in_features, linear.out_features = linear.weight.shape[::-1]
    return linear


def _with_features(found, layers):
    for name, layer in found.items():
        if not hasattr(layer, "in_features"):  # Conv1D
            layer.in_features = layers[name].in_features
    return found


def _smoothing(seen, weight, strength):
    """SmoothQuant's factors: max |x_j|^a / max |w_j|^(1 - a) for each input feature j."""
    of_input = seen.largest.clamp_min(1e-5)
    of_weight = weight.detach().float().abs().amax(0).cpu().clamp_min(1e-5)
    factors = of_input.pow(strength) / of_weight.pow(1 - strength)
    return factors.clamp(1e-4, 1e4)


def _replacement(linear, seen, mode, bits, strength, group_size, observer):
    if mode == "weight_only":
        if bits == 4 and linear.weight.numel() > _SMALL:
            default = 64 if linear.weight.numel() <= _LARGE else 128
            return WeightOnlyLinear(linear, 4, group_size or default)
        return WeightOnlyLinear(linear, 8, -(-linear.in_features // 8) * 8, symmetric=True)
    smooth = None
    if strength is not None and seen.count:
        smooth = _smoothing(seen, linear.weight, strength)
    values = None
    if mode == "static":
        factor = None if smooth is None else smooth.reciprocal()
        values = seen.range(observer, factor)
        if not seen.fits(*values, factor):
            values = None
    return QuantizedLinear(linear, values, smooth)


def _put(model, name, replacement):
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, replacement)


def _without_fast_path(model):
    """torch's fused encoder layer reads the weights of its linear layers itself."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0
        elif isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
