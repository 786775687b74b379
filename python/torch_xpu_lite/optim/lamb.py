"""LAMB: Adam's direction, each tensor's step scaled to the tensor's own size.

You et al., 2019, "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes".
"""

import torch
from torch.optim import Optimizer

from torch_xpu_lite.optim._arguments import at_least, refuse_sparse


class Lamb(Optimizer):
    """LAMB over lists of tensors (foreach operators).

    Args:
        params: parameters, or dicts of groups, on any device, of any floating dtype.
        lr: length of a step relative to each parameter's norm.
        betas: decay of the averages of gradients and of their squares, each in [0, 1).
        eps: added to the denominator.
        weight_decay: part of the parameter that is added to the direction.
        bias_correction: divides the averages by what they lack in the first steps.

    Raises:
        ValueError: a number is out of its range.
        RuntimeError: a gradient is sparse (at ``step``).
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
                 bias_correction=True):
        at_least("Lamb", 0.0, lr=lr, eps=eps, weight_decay=weight_decay)
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Lamb: betas[{i}]={beta} must be in [0, 1)")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                                      bias_correction=bias_correction))

    @torch.no_grad()
    def step(self, closure=None):
        """One step. Returns the closure's loss, or None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lists = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                refuse_sparse("Lamb", p.grad)
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                state["step"] += 1
                # Together go what foreach takes together, and what is at the same step.
                lists.setdefault((p.device, p.dtype, state["step"]), []).append(p)
            for (_, _, step), params in lists.items():
                self._update(group, params, step)
        return loss

    def _update(self, group, params, step):
        beta1, beta2 = group["betas"]
        grads = [p.grad for p in params]
        averages = [self.state[p]["exp_avg"] for p in params]
        squares = [self.state[p]["exp_avg_sq"] for p in params]
        torch._foreach_lerp_(averages, grads, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
        first = second = 1.0
        if group["bias_correction"]:
            first, second = 1 - beta1 ** step, 1 - beta2 ** step
        denominators = torch._foreach_sqrt(squares)
        torch._foreach_div_(denominators, second ** 0.5)
        torch._foreach_add_(denominators, group["eps"])
        updates = torch._foreach_div(averages, denominators)
        torch._foreach_div_(updates, first)
        if group["weight_decay"] != 0:
            torch._foreach_add_(updates, params, alpha=group["weight_decay"])
        # 1 where a norm is 0: a parameter that starts as zeros moves by Adam's step.
        ratios = [torch.where((p > 0) & (u > 0), p / u, 1.0) for p, u in
                  zip(torch._foreach_norm(params), torch._foreach_norm(updates))]
        torch._foreach_mul_(updates, ratios)
        torch._foreach_add_(params, updates, alpha=-group["lr"])
