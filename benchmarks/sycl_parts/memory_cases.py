"""The bandwidth cases of benchmarks/sycl.py: what each must move, its limit, and its call.

Bytes are those that the algorithm must read or write once, for each element of the operand: as
many moves of an element, and a number of other bytes.
"""

import torch
import torch.nn.functional as F

DEVICE = "xpu_lite"
ELEMENTWISE, REDUCTION = 0.9, 0.8  # the least share of the triad's bandwidth


class Operands:
    """Tensors of `count` elements, made when they are asked for."""

    def __init__(self, count, dtype):
        self.count, self.dtype = count, dtype

    def __getattr__(self, name):
        if name in ("x", "y", "z"):
            value = torch.rand(self.count, device=DEVICE).to(self.dtype)
        elif name == "out":
            value = torch.empty(self.count, dtype=self.dtype, device=DEVICE)
        elif name == "mask":
            value = torch.rand(self.count, device=DEVICE) < 0.5
        elif name == "rows":  # of 1024
            value = self.x.view(-1, 1024)
        elif name == "grad":
            value = self.y.view(-1, 1024)
        elif name == "square":
            value = self.x.view(-1, 4096)
        elif name == "cube":  # the middle of three
            value = self.x.view(-1, 256, 256)
        elif name == "heads":  # batch, length, heads, head
            value = self.x.view(-1, 128, 16, 64)
        elif name == "images":
            value = self.x.view(-1, 64, 32, 32)
        elif name == "places":
            value = torch.randperm(self.count // 1024).to(DEVICE)
        elif name in ("weight", "bias"):
            value = torch.rand(1024, device=DEVICE).to(self.dtype)
        elif name in ("channel_weight", "channel_bias"):
            value = torch.rand(64, device=DEVICE).to(self.dtype)
        else:
            raise AttributeError(name)
        setattr(self, name, value)
        return value


def _unary(function):
    return lambda t: lambda: function(t.x, out=t.out)


def _of(function, operand):
    return lambda t: lambda: function(getattr(t, operand))


def _dims(function):
    """`function` over everything, the last, the first and the middle dimension."""
    return {"all": lambda t: lambda: function(t.x, 0),
            "last": lambda t: lambda: function(t.rows, -1),
            "first": lambda t: lambda: function(t.square, 0),
            "middle": lambda t: lambda: function(t.cube, 1)}


def _fill_in(dst):
    return lambda t: (lambda: getattr(t, dst).fill_(1.0))


def _transposed(operand, a, b):
    def make(t):
        source = getattr(t, operand).transpose(a, b)
        out = torch.empty(source.shape, dtype=t.dtype, device=DEVICE)
        return lambda: out.copy_(source)
    return make


def _from(dtype, to):
    def make(t):
        x = t.x.mul(100).to(dtype)
        return lambda: x.to(to)
    return make


def _every_second(side):
    def make(t):
        x, out = t.x.view(-1, 2)[:, 0], t.out.view(-1, 2)[:, 0]
        half = torch.empty(t.count // 2, dtype=t.dtype, device=DEVICE)
        return (lambda: half.copy_(x)) if side == "from" else (lambda: out.copy_(half))
    return make


def _channels_last(t):
    out = torch.empty(t.images.shape, dtype=t.dtype, device=DEVICE,
                      memory_format=torch.channels_last)
    return lambda: out.copy_(t.images)


def _softmax_backward(name, operand, dim):
    op = getattr(torch.ops.aten, name)

    def make(t):
        y = getattr(t, operand).softmax(dim)
        y = y.log() if "log" in name else y
        grad = t.y.view_as(y)
        return lambda: op(grad, y, dim, t.dtype)
    return make


def _layer_norm_backward(t):
    y, mean, rstd = torch.ops.aten.native_layer_norm(t.rows, (1024,), t.weight, t.bias, 1e-5)
    return lambda: torch.ops.aten.native_layer_norm_backward(
        t.grad, t.rows, (1024,), mean, rstd, t.weight, t.bias, [True, True, True])


def _rms_norm_backward(t):
    y, rstd = torch.ops.aten._fused_rms_norm(t.rows, (1024,), t.weight, 1e-5)
    return lambda: torch.ops.aten._fused_rms_norm_backward(
        t.grad, t.rows, (1024,), rstd, t.weight, [True, True])


def _group_norm(t):
    n, c, hw = t.images.shape[0], 64, 1024
    return (t.images, t.channel_weight, t.channel_bias, n, c, hw, 8)


def _group_norm_backward(t):
    y, mean, rstd = torch.ops.aten.native_group_norm(*_group_norm(t), 1e-5)
    x, weight, bias, n, c, hw, groups = _group_norm(t)
    grad = t.y.view_as(x)
    return lambda: torch.ops.aten.native_group_norm_backward(
        grad, x, mean, rstd, weight, n, c, hw, groups, [True, True, True])


def _batch_norm(last, train=True):
    def make(t):
        x = t.images.contiguous(memory_format=torch.channels_last) if last else t.images
        mean, var = (torch.ones(64, device=DEVICE) for _ in range(2))
        return lambda: F.batch_norm(x, mean, var, t.channel_weight.float(),
                                    t.channel_bias.float(), train)
    return make


def _batch_norm_backward(last):
    def make(t):
        x, grad = t.images, t.y.view_as(t.images)
        if last:
            x, grad = (v.contiguous(memory_format=torch.channels_last) for v in (x, grad))
        weight = t.channel_weight.float()
        y, mean, rstd = torch.ops.aten.native_batch_norm(x, weight, None, None, None, True, 0.1,
                                                         1e-5)
        return lambda: torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, None, None, mean, rstd, True, 1e-5, [True, True, True])
    return make


def _cat(t):
    half = t.count // 2
    return lambda: torch.cat([t.x[:half], t.y[half:]], out=t.out)


def _embedding(t):
    return lambda: F.embedding(t.places, t.rows)


def _row_gather(t):
    index = torch.randint(0, 1024, (t.count // 1024, 1024)).to(DEVICE)
    return lambda: t.rows.gather(1, index)


# name: (moves of an element, other bytes, limit, call)
CASES = {
    "add": (3, 0, ELEMENTWISE, lambda t: lambda: torch.add(t.x, t.y, out=t.out)),
    "mul by scalar": (2, 0, ELEMENTWISE, lambda t: lambda: torch.mul(t.x, 1.5, out=t.out)),
    "add in place": (3, 0, ELEMENTWISE, lambda t: lambda: t.x.add_(t.y)),
    "addcmul": (4, 0, ELEMENTWISE, lambda t: lambda: torch.addcmul(t.x, t.y, t.z, out=t.out)),
    "relu": (2, 0, ELEMENTWISE, _of(torch.relu, "x")),
    "less": (2, 1, ELEMENTWISE, lambda t: lambda: t.x < t.y),
    "where": (3, 1, ELEMENTWISE, lambda t: lambda: torch.where(t.mask, t.x, t.y)),
    "masked_fill": (2, 1, ELEMENTWISE, lambda t: lambda: t.x.masked_fill(t.mask, 1.0)),
    "add a bias": (2, 0, ELEMENTWISE, lambda t: lambda: t.rows + t.weight),
    **{name: (2, 0, ELEMENTWISE, _unary(getattr(torch, name)))
       for name in ("exp", "log", "log1p", "expm1", "sigmoid", "tanh", "erf", "sqrt", "rsqrt",
                    "sin", "cos")},
    "gelu": (2, 0, ELEMENTWISE, _of(F.gelu, "x")),
    "gelu tanh": (2, 0, ELEMENTWISE, lambda t: lambda: F.gelu(t.x, approximate="tanh")),
    "silu": (2, 0, ELEMENTWISE, _of(F.silu, "x")),
    "gelu backward": (3, 0, ELEMENTWISE,
                      lambda t: lambda: torch.ops.aten.gelu_backward(t.y, t.x)),
    "silu backward": (3, 0, ELEMENTWISE,
                      lambda t: lambda: torch.ops.aten.silu_backward(t.y, t.x)),
    "pow 2.5": (2, 0, ELEMENTWISE, lambda t: lambda: torch.pow(t.x, 2.5, out=t.out)),
    "pow": (3, 0, ELEMENTWISE, lambda t: lambda: torch.pow(t.x, t.y, out=t.out)),
    "fill": (1, 0, ELEMENTWISE, _fill_in("out")),
    "copy": (2, 0, ELEMENTWISE, lambda t: lambda: t.out.copy_(t.x)),
    "clone": (2, 0, ELEMENTWISE, lambda t: lambda: t.x.clone()),
    "to bfloat16": (0, 6, ELEMENTWISE, _from(torch.float32, torch.bfloat16)),
    "from bfloat16": (0, 6, ELEMENTWISE, _from(torch.bfloat16, torch.float32)),
    "to float16": (0, 6, ELEMENTWISE, _from(torch.float32, torch.float16)),
    "to float64": (0, 12, ELEMENTWISE, _from(torch.float32, torch.float64)),
    "int64 to float": (0, 12, ELEMENTWISE, _from(torch.int64, torch.float32)),
    "uint8 to float": (0, 5, ELEMENTWISE, _from(torch.uint8, torch.float32)),
    "bool to float": (0, 5, ELEMENTWISE, lambda t: lambda: t.mask.to(torch.float32)),
    "cat": (2, 0, ELEMENTWISE, _cat),
    "copy of a transposed matrix": (2, 0, ELEMENTWISE, _transposed("square", 0, 1)),
    "copy of transposed heads": (2, 0, ELEMENTWISE, _transposed("heads", 1, 2)),
    "copy to channels_last": (2, 0, ELEMENTWISE, _channels_last),
    "copy from every second": (1.5, 0, ELEMENTWISE, _every_second("from")),
    "copy to every second": (1.5, 0, ELEMENTWISE, _every_second("to")),
    "index_select of rows": (2, 0, ELEMENTWISE,
                             lambda t: lambda: t.rows.index_select(0, t.places)),
    "embedding": (2, 0, ELEMENTWISE, _embedding),
    "gather": (2, 8, None, _row_gather),
    **{f"{name}, {which}": (1, 0, REDUCTION, call) for name, function in {
        "sum": lambda x, d: x.sum(d), "mean": lambda x, d: x.mean(d),
        "amax": lambda x, d: x.amax(d), "argmax": lambda x, d: x.argmax(d),
        "var": lambda x, d: x.var(d), "norm": lambda x, d: torch.linalg.vector_norm(x, 2, d),
        "any": lambda x, d: x.any(d)}.items() for which, call in _dims(function).items()},
    "max with indices": (1, 0, REDUCTION, lambda t: lambda: t.rows.max(-1)),
    "softmax": (2, 0, REDUCTION, lambda t: lambda: t.rows.softmax(-1)),
    "softmax, first": (2, 0, REDUCTION, lambda t: lambda: t.square.softmax(0)),
    "softmax, middle": (2, 0, REDUCTION, lambda t: lambda: t.cube.softmax(1)),
    "log_softmax": (2, 0, REDUCTION, lambda t: lambda: t.rows.log_softmax(-1)),
    "log_softmax, first": (2, 0, REDUCTION, lambda t: lambda: t.square.log_softmax(0)),
    "log_softmax, long rows": (2, 0, REDUCTION,
                               lambda t: lambda: t.x.view(-1, 32768).log_softmax(-1)),
    "softmax backward": (3, 0, REDUCTION, _softmax_backward("_softmax_backward_data", "rows", -1)),
    "softmax backward, first": (3, 0, REDUCTION,
                                _softmax_backward("_softmax_backward_data", "square", 0)),
    "log_softmax backward": (3, 0, REDUCTION,
                             _softmax_backward("_log_softmax_backward_data", "rows", -1)),
    "log_softmax backward, first": (3, 0, REDUCTION,
                                    _softmax_backward("_log_softmax_backward_data", "square", 0)),
    "layer_norm": (2, 0, REDUCTION,
                   lambda t: lambda: F.layer_norm(t.rows, (1024,), t.weight, t.bias)),
    "layer_norm backward": (5, 0, REDUCTION, _layer_norm_backward),
    "rms_norm": (2, 0, REDUCTION, lambda t: lambda: F.rms_norm(t.rows, (1024,), t.weight)),
    "rms_norm backward": (5, 0, REDUCTION, _rms_norm_backward),
    "group_norm": (2, 0, REDUCTION,
                   lambda t: lambda: torch.ops.aten.native_group_norm(*_group_norm(t), 1e-5)),
    "group_norm backward": (5, 0, REDUCTION, _group_norm_backward),
    "batch_norm": (3, 0, REDUCTION, _batch_norm(False)),
    "batch_norm, channels_last": (3, 0, REDUCTION, _batch_norm(True)),
    "batch_norm in evaluation": (2, 0, REDUCTION, _batch_norm(False, False)),
    "batch_norm backward": (5, 0, REDUCTION, _batch_norm_backward(False)),
    "batch_norm backward, channels_last": (5, 0, REDUCTION, _batch_norm_backward(True)),
    "cumsum": (2, 0, REDUCTION, lambda t: lambda: t.rows.cumsum(-1)),
    "cumsum, first": (2, 0, REDUCTION, lambda t: lambda: t.square.cumsum(0)),
    "cumsum, one row": (2, 0, REDUCTION, lambda t: lambda: t.x.cumsum(0)),
    # Not bound by memory: no limit.
    "sort of 1 M": (0, 12 / 16, None, lambda t: lambda: t.x[: t.count // 16].sort()),
    "sort of rows": (0, 12, None, lambda t: lambda: t.rows.sort()),
    "topk of rows": (1, 0, None, lambda t: lambda: t.rows.topk(10)),
}

# Cases that are also measured with another type.
_OTHER = {
    torch.bfloat16: [
        "add", "mul by scalar", "relu", "where", "exp", "log", "sigmoid", "tanh", "gelu", "silu",
        "gelu backward", "fill", "copy", "copy of a transposed matrix", "copy of transposed heads",
        "copy to channels_last", "copy from every second", "cat", "index_select of rows",
        *(f"{name}, {which}" for name in ("sum", "mean", "amax", "argmax", "var", "norm", "any")
          for which in ("all", "last", "first", "middle")),
        "softmax", "softmax, first", "softmax, middle", "log_softmax", "softmax backward",
        "softmax backward, first", "log_softmax backward", "layer_norm", "layer_norm backward",
        "rms_norm", "group_norm", "batch_norm", "batch_norm, channels_last",
        "batch_norm backward", "cumsum", "cumsum, first"],
    torch.float16: ["add", "exp", "gelu", "copy", "sum, all", "sum, last", "softmax", "layer_norm"],
    torch.float64: ["add", "exp", "copy", "sum, all", "softmax"],
    torch.int64: ["add", "sum, all", "copy"],
    torch.int32: ["add", "sum, last"],
}


def names():
    """{name: (bytes of an element, limit)}, with "/dtype" where it is not float32."""
    found = {}
    for dtype, some in {torch.float32: CASES, **_OTHER}.items():
        for name in some:
            moves, other, limit, _ = CASES[name]
            kind = "" if dtype == torch.float32 else f"/{str(dtype).removeprefix('torch.')}"
            found[name + kind] = (moves * dtype.itemsize + other, limit)
    return found


def make(name, count):
    """The call of a case on `count` elements."""
    kind, _, dtype = name.partition("/")
    return CASES[kind][3](Operands(count, getattr(torch, dtype or "float32")))
