"""The optimizer's step as one kernel over all parameters."""

import torch


def check(model, optimizer):
    """
    Raises:
        TypeError: not an optimizer.
        ValueError: it has none of the model's parameters.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError("optimize: optimizer must be a torch.optim.Optimizer, got "
                        f"{type(optimizer).__name__}")
    own = {id(p) for p in model.parameters()}
    if own and not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise ValueError("optimize: the optimizer has none of the model's parameters; make it after "
                         "the model was moved or copied")


def fuse(optimizer):
    """Turns on ``fused=True`` where the optimizer has it; says what was done."""
    name = type(optimizer).__name__
    if type(optimizer) not in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW,
                               torch.optim.Adagrad):
        return f"{name}: as it is"
    for group in optimizer.param_groups:
        if group.get("differentiable") or group.get("capturable"):
            return f"{name}: as it is (differentiable or capturable)"
        if any(not p.is_floating_point() or p.is_sparse for p in group["params"]):
            return f"{name}: as it is (a parameter is not dense or not a float)"
    for group in optimizer.param_groups:
        group["fused"], group["foreach"] = True, False
    optimizer.defaults.update(fused=True, foreach=False)
    # What the constructor sets for fused=True.
    optimizer._step_supports_amp_scaling = True
    optimizer._need_device_dtype_check_for_fused = True
    for parameter, state in optimizer.state.items():
        # The fused kernels count steps on the device.
        if isinstance(state.get("step"), torch.Tensor):
            state["step"] = state["step"].to(device=parameter.device, dtype=torch.float32)
    return f"{name}: fused"
