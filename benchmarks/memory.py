"""The caching allocator: page faults saved, fragmentation of a training step, growth."""

import random

import torch
from common import Row, arguments, interleave, model_builders, report


def resident():
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def multiply_add(device):
    a, b, c = (torch.rand(16 << 20).to(device) for _ in range(3))  # 64 MiB each

    def run():
        return a * b + c

    return run


def bert_peak(device):
    """Peak reserved and allocated bytes of BERT training steps."""
    models = model_builders()
    module = getattr(torch, device)
    model, batch = models.bert(layers=4, width=256, length=128, batch=4, vocabulary=8000)
    model.to(device).train()
    batch = {k: v.to(device) for k, v in batch.items()}
    optimizer = torch.optim.AdamW(model.parameters())
    module.empty_cache()
    module.reset_peak_memory_stats()
    for _ in range(3):
        optimizer.zero_grad()
        models.loss_of(model, batch)[0].backward()
        optimizer.step()
    module.synchronize()
    return module.max_memory_reserved(), module.max_memory_allocated()


def growth(device, steps):
    """Reserved and resident bytes at a fifth and at the end of random allocations."""
    module = getattr(torch, device)
    rng = random.Random(0)
    held = [None] * 64
    seen = []
    for step in range(1, steps + 1):
        elements = int(2 ** rng.uniform(0, 20))
        held[rng.randrange(64)] = torch.empty(elements, device=device).fill_(0)
        if step in (steps // 5, steps):
            seen.append((module.memory_reserved(), resident()))
    return seen


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=15)
    parser.add_argument("--steps", type=int, default=100_000, help="random allocations")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    sides = {"cpu": multiply_add("cpu"), "device": multiply_add(options.device)}
    times = interleave(sides, options.rounds, number=1, cpu_time=options.cpu_time)
    row = Row("a * b + c, 64 MiB", times["cpu"], times["device"], 1 / 1.3)
    sides.clear()
    extra = [f"as fast as the CPU times {1 / row.ratio:.2f}  (at least 1.30)"]
    if options.device != "cpu":
        reserved, allocated = bert_peak(options.device)
        extra.append(f"BERT step: peak reserved {reserved >> 20} MiB, allocated "
                     f"{allocated >> 20} MiB, ratio {reserved / allocated:.2f}  (at most 1.25)")
        getattr(torch, options.device).empty_cache()
        early, late = growth(options.device, options.steps)
        extra.append(f"{options.steps} random steps: reserved {early[0] >> 20} -> "
                     f"{late[0] >> 20} MiB, resident {early[1] >> 20} -> {late[1] >> 20} MiB")
    report("Memory", [row], options.device, options.json, extra)


if __name__ == "__main__":
    main()
