"""SGD whose bfloat16 parameters are the upper halves of float32 values; the lower halves are kept
beside them.

A bfloat16 value is the first 16 bits of a float32 one. A parameter and its lower half together
are a master weight that takes no more memory than float32 alone, and no step is lost to rounding.
"""

import torch
from torch.optim import Optimizer

from torch_xpu_lite.optim._arguments import at_least, refuse_sparse


def join(upper: torch.Tensor, lower: torch.Tensor) -> torch.Tensor:
    """The float32 values of a bfloat16 tensor and the int16 tensor of their lower halves."""
    bits = upper.view(torch.int16).to(torch.int32) << 16
    return (bits | (lower.to(torch.int32) & 0xFFFF)).view(torch.float32)


def split(values: torch.Tensor) -> tuple:
    """(bfloat16 tensor, int16 tensor of the lower halves) of float32 values. The upper half is
    cut off, not rounded: `join` gives the values back bit for bit."""
    bits = values.view(torch.int32)
    # Halves keep their sign: what wraps around is the same 16 bits.
    return (bits >> 16).to(torch.int16).view(torch.bfloat16), _low(bits)


def _low(bits: torch.Tensor) -> torch.Tensor:
    low = bits & 0xFFFF
    return torch.where(low >= 0x8000, low - 0x10000, low).to(torch.int16)


class SplitSGD(Optimizer):
    """SGD with momentum; parameters in bfloat16 keep the lower halves of their float32 values.

    Other floating dtypes are updated as by ``torch.optim.SGD``. ``master_weight(p)`` gives a
    parameter's float32 values.

    Args:
        params: parameters, or dicts of groups.
        lr: learning rate.
        momentum: factor of the moving sum of gradients, kept in float32 for bfloat16 parameters.
        dampening: of the gradient in that sum.
        weight_decay: part of the parameter that is added to the gradient.
        nesterov: looks ahead by the momentum.

    Raises:
        ValueError: a number is negative, or `nesterov` without momentum or with dampening.
        RuntimeError: a gradient is sparse (at ``step``).
    """

    def __init__(self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0,
                 nesterov=False):
        at_least("SplitSGD", 0.0, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"SplitSGD: nesterov=True needs momentum above 0 and no dampening, got "
                             f"momentum={momentum}, dampening={dampening}")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening,
                                      weight_decay=weight_decay, nesterov=nesterov))

    def master_weight(self, parameter) -> torch.Tensor:
        """The float32 values of a bfloat16 parameter, of its shape; of another one, itself as
        float32."""
        lower = self.state[parameter].get("lower") if parameter in self.state else None
        if lower is None:
            return parameter.detach().float()
        return join(parameter.detach(), lower)

    @torch.no_grad()
    def step(self, closure=None):
        """One step. Returns the closure's loss, or None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    refuse_sparse("SplitSGD", p.grad)
                    self._update(group, p)
        return loss

    def _update(self, group, p):
        state = self.state[p]
        narrow = p.dtype == torch.bfloat16
        if narrow and "lower" not in state:
            state["lower"] = torch.zeros_like(p, dtype=torch.int16,
                                              memory_format=torch.preserve_format)
        value = join(p, state["lower"]) if narrow else p
        grad = p.grad.float() if narrow else p.grad
        if group["weight_decay"] != 0:
            grad = grad.add(value, alpha=group["weight_decay"])
        if group["momentum"] != 0:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = grad.clone(memory_format=torch.preserve_format)
            else:
                state["momentum_buffer"].mul_(group["momentum"]).add_(
                    grad, alpha=1 - group["dampening"])
            buffer = state["momentum_buffer"]
            grad = grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer
        if not narrow:
            p.add_(grad, alpha=-group["lr"])
            return
        upper, lower = split(value.add_(grad, alpha=-group["lr"]))
        p.copy_(upper)
        state["lower"].copy_(lower)

    def load_state_dict(self, state_dict):
        """As torch's; the lower halves stay the integers that they are."""
        super().load_state_dict(state_dict)
        order = [p for group in self.param_groups for p in group["params"]]
        for number, state in state_dict["state"].items():
            if "lower" in state:  # torch casts what belongs to a floating parameter to its dtype
                self.state[order[number]]["lower"] = state["lower"].to(order[number].device,
                                                                       copy=True)
            if "momentum_buffer" in state and order[number].dtype == torch.bfloat16:
                self.state[order[number]]["momentum_buffer"] = state["momentum_buffer"].to(
                    order[number].device, copy=True)
