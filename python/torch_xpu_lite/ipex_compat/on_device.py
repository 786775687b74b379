"""A model of a script for the CPU, on the device: the script does not notice.

The parameters are on ``"xpu_lite"`` (CPU memory, too, but under the device's allocator, so
that packed weights can be kept). ``forward`` moves CPU tensors among its arguments to the
device and, if there were any, the tensors of its result to the CPU. Both are differentiable.
"""

import inspect

import torch
from torch_xpu_lite import _loader

_DEVICE = _loader.NAME


def map_tensors(function, value):
    """`value` with `function` called on the tensors in tuples, lists and dicts, also those
    of transformers' outputs. Other objects (caches) are passed on."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(function, v) for v in value))
    if type(value) in (tuple, list):
        return type(value)(map_tensors(function, v) for v in value)
    if isinstance(value, dict):
        items = {k: map_tensors(function, v) for k, v in value.items()}
        return items if type(value) is dict else type(value)(**items)
    return value


class OnDeviceForward:
    """Hangs on ``module.forward``, over `inner` if the model has an optimized one."""

    def __init__(self, module, inner=None):
        self.module, self.inner = module, inner

    @property
    def __signature__(self):
        signature = inspect.signature(type(self.module).forward)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(self, *args, **kwargs):
        came_from_cpu = []

        def there(tensor):
            if tensor.device.type != "cpu":
                return tensor
            came_from_cpu.append(True)
            return tensor.to(_DEVICE)

        args = tuple(map_tensors(there, a) for a in args)
        kwargs = {k: map_tensors(there, v) for k, v in kwargs.items()}
        mirror = torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled(_DEVICE)
        with torch.autocast(_DEVICE, torch.get_autocast_dtype("cpu"), enabled=True) if mirror else (
                _nothing):
            if self.inner is not None:
                result = self.inner(*args, **kwargs)
            else:
                result = type(self.module).forward(self.module, *args, **kwargs)
        return map_tensors(lambda t: t.cpu(), result) if came_from_cpu else result


class _Nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return False


_nothing = _Nothing()


def move(model, optimizer=None):
    """Moves a model on the CPU to the device, and the optimizer's parameters and state with
    it. Returns whether it was on the CPU."""
    tensors = [*model.parameters(), *model.buffers()]
    if not tensors or any(t.device.type != "cpu" for t in tensors):
        return False
    before = list(model.parameters())
    model.to(_DEVICE)
    if optimizer is not None:
        moved = {id(old): new for old, new in zip(before, model.parameters())}
        _follow(optimizer, moved)
    return True


def _follow(optimizer, moved):
    for group in optimizer.param_groups:
        group["params"] = [moved.get(id(p), p) for p in group["params"]]
    for old in list(optimizer.state):
        if isinstance(old, torch.Tensor) and id(old) in moved:
            state = optimizer.state.pop(old)
            new = moved[id(old)]
            optimizer.state[new] = {k: v.to(new.device) if isinstance(v, torch.Tensor) else v
                                    for k, v in state.items()}


def let_cpu_in(model):
    """Hangs an :class:`OnDeviceForward` on the model, over what hangs there."""
    inner = model.__dict__.get("forward")
    if not isinstance(inner, OnDeviceForward):
        model.forward = OnDeviceForward(model, inner)
    return model
