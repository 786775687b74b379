"""Host overhead of small operators on the device, as ratios to device="cpu".

One thread, tensors of 16 elements: what is timed is the way to the kernel.
"""

import torch
from common import Row, arguments, geometric_mean, interleave, report

CASES = {
    "x + y": "x + y",
    "torch.add(out=)": "add(x, y, out=out)",
    "x.view": "x.view(4, 4)",
    "torch.empty": "empty(16, device=device)",
    "relu_": "x.relu_()",
    "sum": "x.sum()",
    "16x16 matmul": "a @ b",
}


def operands(device):
    torch.manual_seed(0)
    x = torch.rand(16).to(device)
    return {"x": x, "y": x.clone(), "out": torch.empty_like(x), "add": torch.add,
            "empty": torch.empty, "device": torch.device(device),
            "a": torch.rand(16, 16).to(device), "b": torch.rand(16, 16).to(device)}


def mlp_step(device, make_optimizer):
    """A training step of a 64-64-64 perceptron at batch 8."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(),
                                torch.nn.Linear(64, 64)).to(device)
    x, y = torch.rand(8, 64).to(device), torch.rand(8, 64).to(device)
    optimizer = make_optimizer(model.parameters())

    def step():
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()

    return step


OPTIMIZERS = {
    "MLP step, SGD": lambda p: torch.optim.SGD(p, lr=1e-3),
    "MLP step, AdamW": lambda p: torch.optim.AdamW(p, lr=1e-3),
}


def main():
    options = arguments(__doc__.splitlines()[0], rounds=301).parse_args()
    torch.set_num_threads(options.threads or 1)
    rows = []
    spaces = {device: operands(device) for device in ("cpu", options.device)}
    sides = {name: {d: (statement, space) for d, space in spaces.items()}
             for name, statement in CASES.items()}
    for name, make in OPTIMIZERS.items():
        sides[name] = {d: mlp_step(d, make) for d in ("cpu", options.device)}
    if options.device == "cpu":  # a check of the benchmark itself
        sides = {n: {"cpu": s["cpu"], "cpu again": s["cpu"]} for n, s in sides.items()}
    for name, pair in sides.items():
        cpu, device = interleave(pair, options.rounds, cpu_time=options.cpu_time).values()
        rows.append(Row(name, cpu, device, 1.10))
    asked = [row.ratio for row in rows if "AdamW" not in row.name]
    report("Host overhead, tensors of 16 elements", rows, options.device, options.json,
           [f"geometric mean without AdamW: {geometric_mean(asked):.3f}  (at most 1.00)"])


if __name__ == "__main__":
    main()
