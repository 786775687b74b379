"""One batch, several groups of cores: every group computes its share with the same module."""

import torch
from torch import nn

from torch_xpu_lite.runtime.cpu_pool import CPUPool
from torch_xpu_lite.runtime.task import Task


class MultiStreamModuleHint:
    """Along which dimension each argument (or output) is split (or joined).

    The structure is the arguments' own: a number is a dimension, None is for what is handed on
    whole, tuples, lists and dicts are looked into::

        MultiStreamModuleHint(0)                 # the first argument along its dimension 0
        MultiStreamModuleHint(1, None, mask=0)   # (time, batch), whole, mask=(batch, ...)

    Arguments that the hint does not mention are handed on whole.
    """

    def __init__(self, *args, **kwargs):
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        parts = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"MultiStreamModuleHint({', '.join(parts)})"


def _hint_of(hint, key):
    if isinstance(hint, (tuple, list)) and isinstance(key, int) and key < len(hint):
        return hint[key]
    if isinstance(hint, dict):
        return hint.get(key)
    return None


def _rebuild(like, items):
    """A sequence or mapping of the type of `like` with other items."""
    if hasattr(like, "keys"):
        if type(like) is dict:
            return dict(items)
        try:
            return type(like)(**dict(items))  # the outputs of transformers
        except TypeError:
            return type(like)(items)
    items = [value for _, value in items]
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)


def _items(value):
    return list(value.items()) if hasattr(value, "keys") else list(enumerate(value))


def _is_nest(value) -> bool:
    return isinstance(value, (tuple, list)) or (hasattr(value, "keys") and hasattr(value, "items"))


def _lengths(value, hint, where, found):
    """The length along the hinted dimension of every tensor that is split, by its place."""
    if hint is None:
        return
    if isinstance(value, torch.Tensor):
        if isinstance(hint, bool) or not isinstance(hint, int):
            raise ValueError(f"MultiStreamModule: the hint for {where} is {hint!r}; a tensor needs "
                             "a dimension's number or None")
        if not -value.dim() <= hint < value.dim():
            raise ValueError(f"MultiStreamModule: {where} has {value.dim()} dimensions and cannot "
                             f"be split along {hint}")
        found[where] = value.size(hint)
    elif _is_nest(value):
        for key, item in _items(value):
            _lengths(item, _hint_of(hint, key), f"{where}[{key!r}]", found)
    elif value is not None:
        raise ValueError(f"MultiStreamModule: {where} is a {type(value).__name__}, which cannot "
                         f"be split along {hint!r}; its hint should be None")


def _part(value, hint, first, last):
    if hint is None:
        return value
    if isinstance(value, torch.Tensor):
        return value.narrow(hint, first, last - first)
    if _is_nest(value):
        return _rebuild(value, [(key, _part(item, _hint_of(hint, key), first, last))
                                for key, item in _items(value)])
    return value


def _join(values, hint, where):
    first = values[0]
    if isinstance(first, torch.Tensor):
        if hint is None:
            return first
        if isinstance(hint, bool) or not isinstance(hint, int) or \
                not -first.dim() <= hint < first.dim():
            raise ValueError(f"MultiStreamModule: {where} of the output has {first.dim()} dimensions "
                             f"and cannot be joined along {hint!r}")
        return torch.cat(values, hint)
    if _is_nest(first):
        # A number for a nest is meant for every tensor in it.
        below = (lambda key: hint) if isinstance(hint, int) else (lambda key: _hint_of(hint, key))
        return _rebuild(first, [(key, _join([v[key] for v in values], below(key),
                                            f"{where}[{key!r}]"))
                                for key, _ in _items(first)])
    return first


class MultiStreamModule(nn.Module):
    """Splits a batch over groups of cores, runs the module on all of them at once, joins.

    For inference with throughput in mind: a small part on few cores wastes less time on waiting
    than the whole batch on all cores.

    Args:
        model: a module on the pool's device; its parameters are shared by all groups.
        num_streams: how many groups of cores; ``"AUTO"``: one for each core.
        cpu_pool: the :class:`CPUPool` to divide; by default all cores of the current device.
        concat_output: joins the outputs; False gives the list of them.
        input_split_hint: a :class:`MultiStreamModuleHint` for the inputs; by default the first
            argument along its dimension 0.
        output_concat_hint: the same for the output; by default every tensor along dimension 0.

    A batch smaller than the number of groups uses as many groups as it has entries; parts
    differ by at most one entry.

    Raises:
        ValueError: `num_streams` is not between 1 and the number of cores; inputs do not fit the
            hint or each other.
        TypeError: `model` or `cpu_pool` is of another type.
    """

    def __init__(self, model, num_streams="AUTO", cpu_pool=None, concat_output=True,
                 input_split_hint=None, output_concat_hint=None):
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"MultiStreamModule: model is a {type(model).__name__}, expected a "
                            "torch.nn.Module")
        pool = CPUPool() if cpu_pool is None else cpu_pool
        if not isinstance(pool, CPUPool):
            raise TypeError(f"MultiStreamModule: expected a CPUPool, got {type(pool).__name__}")
        if num_streams == "AUTO":
            num_streams = len(pool)
        if isinstance(num_streams, bool) or not isinstance(num_streams, int) or \
                not 1 <= num_streams <= len(pool):
            raise ValueError(f"MultiStreamModule: num_streams={num_streams!r}; the pool has "
                             f"{len(pool)} cores, so that 1 to {len(pool)} or 'AUTO' are possible")
        self.model = model
        self.cpu_pool = pool
        self.num_streams = num_streams
        self.concat_output = concat_output
        self.input_split_hint = input_split_hint or MultiStreamModuleHint(0)
        self.output_concat_hint = output_concat_hint
        self._tasks = [Task(model, part) for part in pool.split(num_streams)]

    def forward(self, *args, **kwargs):
        hint = self.input_split_hint
        lengths = {}
        _lengths(args, list(hint.args), "args", lengths)
        _lengths(kwargs, hint.kwargs, "kwargs", lengths)
        if not lengths:
            raise ValueError(f"MultiStreamModule: {hint} names no tensor among {len(args)} positional "
                             f"arguments and {sorted(kwargs)}")
        if len(set(lengths.values())) > 1:
            raise ValueError(f"MultiStreamModule: inputs differ in length along the dimensions that "
                             f"are split: {lengths}")
        length = next(iter(lengths.values()))
        parts = max(1, min(self.num_streams, length))
        bounds = [i * length // parts for i in range(parts + 1)]
        futures = [task(*_part(args, list(hint.args), a, b), **_part(kwargs, hint.kwargs, a, b))
                   for task, a, b in zip(self._tasks, bounds, bounds[1:])]
        outputs, error = [], None
        for future in futures:  # all of them: nothing is left running behind an error
            try:
                outputs.append(future.get())
            except BaseException as e:
                error = error or e
        if error is not None:
            raise error
        if not self.concat_output:
            return outputs
        if self.output_concat_hint is None:
            return _join(outputs, 0, "output")
        hint = self.output_concat_hint
        if not _is_nest(outputs[0]):
            return _join(outputs, hint.args[0] if hint.args else None, "output")
        return _join(outputs, hint.kwargs or list(hint.args), "output")

    def extra_repr(self) -> str:
        return f"num_streams={self.num_streams}, cpu_pool={self.cpu_pool}"
