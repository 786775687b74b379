"""Runs a model over calibration data and watches the inputs of its layers."""

from collections.abc import Mapping

import torch

from torch_xpu_lite.quantization.observers import InputObserver


def _moved(value, device):
    if torch.is_tensor(value):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: _moved(item, device) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, device) for item in value)
    return value


def _run(model, batch, device):
    batch = _moved(batch, device)
    if isinstance(batch, Mapping):
        return model(**batch)
    if isinstance(batch, (list, tuple)):
        return model(*batch)
    return model(batch)


def observe(model, layers, data):
    """Input observers of the layers, {name: InputObserver}.

    Args:
        model: in eval mode; run without gradients.
        layers: {name: module} within the model, with ``in_features``, or ``in_channels`` for
            images [batch, channels, height, width].
        data: an iterable of batches (a tensor, a tuple of arguments, or a mapping of keyword
            arguments; moved to the model's device), or a callable that is given the model
            and runs it.
    Raises:
        ValueError: the data had no batch, or no batch reached any layer.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    observers, hooks = {}, []
    for name, layer in layers.items():
        images = hasattr(layer, "in_channels")
        observers[name] = InputObserver(layer.in_channels if images else layer.in_features)

        def hook(_, args, kwargs, observer=observers[name], images=images):
            values = args[0] if args else kwargs["input"]
            observer.see(values.movedim(-3, -1) if images else values)

        hooks.append(layer.register_forward_pre_hook(hook, with_kwargs=True))
    batches = 0
    try:
        with torch.no_grad():
            if callable(data):
                data(model)
                batches = 1
            else:
                if torch.is_tensor(data) or isinstance(data, Mapping):
                    data = [data]
                for batch in data:
                    _run(model, batch, device)
                    batches += 1
    finally:
        for hook in hooks:
            hook.remove()
    if not batches:
        raise ValueError("quantize: calibration_data has no batch")
    if layers and not any(observer.count for observer in observers.values()):
        raise ValueError("quantize: no batch of calibration_data reached a layer")
    return observers
