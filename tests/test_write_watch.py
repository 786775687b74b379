"""Whatever writes to a tensor's memory is noticed: packed weights depend on it.

Note [Written since] in backend/aten/core/write_watch.h.
"""

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_map
from torch_xpu_lite import _C

DEV = "xpu_lite"
# Every kernel writes through the same few ways whatever the dtype: one is enough.
INPLACE = [op for op in op_db if op.get_inplace() and torch.float32 in op.dtypes]
OUT = [op for op in op_db if op.supports_out and torch.float32 in op.dtypes]


def on_device(value):
    move = lambda v: v.detach().to(DEV) if isinstance(v, torch.Tensor) else v  # noqa: E731
    return tree_map(move, value)


def first_sample(op):
    for sample in op.sample_inputs("cpu", torch.float32):
        if isinstance(sample.input, torch.Tensor) and sample.input.numel() > 1:
            return sample
    return None


@pytest.fixture(params=["now", "queued"])
def noticed(request):
    """Runs a call; has it ended the watch when it returns? On a queue, before it has run."""
    def run(call, watch):
        if request.param == "now":
            call()
            return not watch.unchanged()
        stream = torch.xpu_lite.Stream()
        torch.xpu_lite.synchronize()
        with torch.xpu_lite.stream(stream):
            torch.xpu_lite._sleep(2_000_000)
            call()
            ended = not watch.unchanged()
        stream.synchronize()
        return ended

    return run


@pytest.mark.parametrize("op", INPLACE, ids=lambda op: op.formatted_name)
def test_in_place_operators_end_the_watch(op, noticed):
    sample = first_sample(op)
    if sample is None:
        pytest.skip("no sample with a tensor of two elements")
    tensor = on_device(sample.input)
    args, kwargs = on_device(sample.args), on_device(sample.kwargs)
    before = tensor.cpu()
    watch = _C._watch(tensor)
    assert watch.unchanged()
    try:  # an alias without the version counter
        ended = noticed(lambda: op.get_inplace()(tensor.data, *args, **kwargs), watch)
    except (RuntimeError, TypeError, NotImplementedError):
        ended = not watch.unchanged()  # refused as on the CPU; what was written before counts
    if not torch.equal(torch.nan_to_num(before), torch.nan_to_num(tensor.cpu())):
        assert ended


@pytest.mark.parametrize("op", OUT, ids=lambda op: op.formatted_name)
def test_results_written_with_out_end_the_watch(op, noticed):
    sample = first_sample(op)
    if sample is None:
        pytest.skip("no sample with a tensor of two elements")
    args, kwargs = on_device(sample.args), on_device(sample.kwargs)
    tensor = on_device(sample.input)
    try:
        result = op(tensor, *args, **kwargs)
    except (RuntimeError, TypeError, NotImplementedError):
        pytest.skip("the functional call is refused")
    if not isinstance(result, torch.Tensor) or result.layout != torch.strided or not result.numel():
        pytest.skip("not one dense tensor with elements")
    fill = True if result.dtype == torch.bool else 77
    out = torch.full_like(result, fill, memory_format=torch.contiguous_format)
    before = out.cpu()
    watch = _C._watch(out)
    assert watch.unchanged()
    try:
        ended = noticed(lambda: op(tensor, *args, **kwargs, out=out.data), watch)
    except (RuntimeError, TypeError, NotImplementedError):
        ended = not watch.unchanged()
    after = out.cpu()
    if after.shape != before.shape or not torch.equal(torch.nan_to_num(before),
                                                      torch.nan_to_num(after)):
        assert ended


WRITES = {
    "fill": lambda t: t.data.fill_(3),
    "copy from the CPU": lambda t: t.data.copy_(torch.ones(t.shape)),
    "copy from the device": lambda t: t.data.copy_(torch.ones(t.shape, device=DEV)),
    "a view's element": lambda t: t.data[1].mul_(2),
    "item assignment": lambda t: t.data.__setitem__((0, 0), 5.0),
    "foreach": lambda t: torch._foreach_add_([t.data], 1.0),
    "foreach copy": lambda t: torch._foreach_copy_([t.data], [torch.ones(t.shape, device=DEV)]),
    "random numbers": lambda t: t.data.normal_(),
    "dropout in place": lambda t: torch.nn.functional.dropout(t.data, 0.9, True, inplace=True),
    "resize of the storage": lambda t: t.untyped_storage().resize_(4096),
    "set_": lambda t: t.data.set_(torch.ones(4, device=DEV)),
    "data_ptr": lambda t: t.data_ptr(),
    "a CPU alias": lambda t: _C._cpu_alias(t).fill_(2),
}


@pytest.mark.parametrize("write", WRITES)
def test_writes_end_the_watch(write):
    tensor = torch.zeros(8, 8, device=DEV) + 1
    before = tensor.cpu()
    watch = _C._watch(tensor)
    WRITES[write](tensor)
    same = tensor.shape == before.shape and torch.equal(before, tensor.cpu())
    assert not watch.unchanged() or (same and write == "set_")


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
@pytest.mark.parametrize("how", ["foreach", "fused", "loop"])
def test_optimizers_end_the_watch(optimizer, how):
    weight = torch.nn.Parameter(torch.ones(16, 16, device=DEV))
    options = {} if how == "loop" else {how: True}
    if how == "fused" and optimizer == "RMSprop":
        pytest.skip("RMSprop has no fused form")
    if how == "loop":
        options = {"foreach": False}
    step = getattr(torch.optim, optimizer)([weight], lr=0.1, **options)
    weight.grad = torch.ones_like(weight)
    watch = _C._watch(weight.detach())
    step.step()
    assert not watch.unchanged()


def test_reading_does_not_end_the_watch():
    tensor = torch.randn(64, 64, device=DEV)
    watch = _C._watch(tensor)
    x = torch.randn(32, 64, device=DEV)
    for _ in range(2):
        (x @ tensor, x @ tensor.t(), tensor + 1, tensor.sum(), tensor.cpu(), tensor.clone(),
         tensor.to(torch.bfloat16), torch.nn.functional.linear(x, tensor), tensor.data.view(-1))
    assert watch.unchanged()


def test_batch_norm_writes_its_statistics():
    running = torch.zeros(8, device=DEV)
    watch = _C._watch(running)
    torch.nn.functional.batch_norm(torch.randn(4, 8, device=DEV), running.data,
                                   torch.ones(8, device=DEV), training=True)
    assert not watch.unchanged()


def test_a_freed_tensor_is_not_unchanged():
    tensor = torch.zeros(8, device=DEV)
    watch = _C._watch(tensor)
    assert watch.unchanged() and not watch.expired()
    del tensor
    assert watch.expired() and not watch.unchanged()


def test_memory_that_others_hold_is_not_watched():
    tensor = torch.zeros(8, device=DEV)
    alias = _C._cpu_alias(tensor)
    assert _C._watch(tensor) is None
    alias.fill_(1)
    shared = _C._from_cpu_shared(torch.zeros(8), 0)
    assert _C._watch(shared) is None


def test_copy_on_write_still_works():
    tensor = torch.arange(8.0, device=DEV)
    watch = _C._watch(tensor)
    lazy = torch._lazy_clone(tensor)
    assert not watch.unchanged()
    assert _C._watch(tensor) is None  # a storage has one materializer
    tensor.add_(1)
    assert lazy.tolist() == list(range(8)) and tensor[0] == 1
