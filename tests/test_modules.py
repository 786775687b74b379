"""Every entry of torch's module database: forward and backward equal to the CPU's."""

import copy
import os
from itertools import islice

import pytest
import torch
from declared import module_reason
from outcome import observe, same_error, same_value
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_flatten
from twin import DEVICE, place_call, twin

TOLERANCE = (1e-4, 1e-4)
LIMIT = None if os.environ.get("XL_SWEEP") == "full" else 8  # inputs of each module
NAMED = {}
for _info in module_db:
    NAMED[f"{_info.name}_{len([n for n in NAMED if n.startswith(_info.name)])}"
          if _info.name in NAMED else _info.name] = _info


def inputs_of(info, training):
    torch.manual_seed(0)
    return islice(info.module_inputs_func(info, device="cpu", dtype=torch.float32,
                                          requires_grad=True, training=training), LIMIT)


def build(info, module_input, training):
    torch.manual_seed(0)
    constructor = module_input.constructor_input
    module = info.module_cls(*constructor.args, **constructor.kwargs).to(torch.float32)
    return module.train(training)


def step(module, module_input, device):
    """Outcome of forward and backward: (output, gradients of inputs, of parameters, buffers)."""
    module = copy.deepcopy(module).to(device)
    call = module_input.forward_input
    args, kwargs = place_call(call.args, call.kwargs, device)
    leaves = [t for t in tree_flatten((args, kwargs))[0]
              if isinstance(t, torch.Tensor) and t.requires_grad]
    if any(getattr(m, "inplace", False) for m in module.modules()):
        # A leaf cannot be written in place.
        copies = {id(t): t.clone() for t in leaves}
        args = tuple(copies.get(id(a), a) for a in args)

    def run():
        output = module(*args, **kwargs)
        roots = [t for t in tree_flatten(output)[0]
                 if isinstance(t, torch.Tensor) and t.grad_fn is not None]
        if roots:
            wanted = leaves + [p for p in module.parameters() if p.requires_grad]
            seeds = [twin((torch.arange(t.numel()) % 5 - 2).reshape(t.shape).to(t.dtype), device)
                     for t in roots]
            gradients = torch.autograd.grad(roots, wanted, seeds, allow_unused=True)
        else:
            gradients = ()
        return output, gradients, dict(module.named_buffers())

    torch.manual_seed(1)
    return observe(run)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", list(NAMED))
def test_module(name, training):
    info, reason = NAMED[name], module_reason(name)
    try:
        compared = compare(info, training)
    except AssertionError:
        if reason:
            pytest.xfail(reason)
        raise
    assert not reason, f"declared unsupported ({reason}) and passes"
    assert compared, "the CPU passes no input of this module"


def compare(info, training):
    compared = 0
    for module_input in inputs_of(info, training):
        if module_input.forward_input is None:
            continue
        module = build(info, module_input, training)
        cpu = step(module, module_input, "cpu")
        if cpu.error is not None:
            continue
        dev = step(module, module_input, DEVICE)
        same_error(cpu, dev)
        same_value(cpu.value, dev.value, DEVICE, values=not cpu.drew_random,
                   tolerance=TOLERANCE, what=module_input.desc or info.name)
        compared += 1
    return compared


@pytest.mark.parametrize("name", [n for n, i in NAMED.items() if i.module_error_inputs_func])
def test_module_errors(name):
    info = NAMED[name]
    for case in info.module_error_inputs_func(info, device="cpu", dtype=torch.float32,
                                              requires_grad=False, training=False):
        module_input = case.module_error_input

        def use(device):
            constructor = module_input.constructor_input
            args, kwargs = place_call(constructor.args, constructor.kwargs, device)
            module = info.module_cls(*args, **kwargs).to(device)
            if module_input.forward_input is not None:
                call = module_input.forward_input
                args, kwargs = place_call(call.args, call.kwargs, device)
                return module(*args, **kwargs)
            return None

        same_error(observe(lambda: use("cpu")), observe(lambda: use(DEVICE)))


@pytest.mark.parametrize("tied", [False, True])
def test_to_keeps_parameters(tied):
    """An optimizer built before .to() must train what the module holds after it."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    if tied:
        model[1].weight = model[0].weight
    before = list(model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model.to(DEVICE)
    assert all(a is b for a, b in zip(before, model.parameters()))
    assert all(p.device.type == torch.device(DEVICE).type for p in model.parameters())
    old = model[0].weight.detach().clone()
    model(torch.ones(2, 4, device=DEVICE)).sum().backward()
    optimizer.step()
    assert not torch.equal(old, model[0].weight)
    assert not tied or model[1].weight is model[0].weight
