"""A DDP step of 25 million parameters: xpulite over gloo, and over its own compute and traffic."""

import copy
import json
import os
import statistics
import sys
import time
from datetime import timedelta

import torch
import torch.distributed as dist
from common import arguments, machine, model_builders, seconds
from torch.nn.parallel import DistributedDataParallel as DDP

builders = model_builders()
CASES = {
    "ResNet-50, 224x224": lambda batch: builders.resnet50(batch or 2, 224),
    "BERT, 8 layers of 512, 128 tokens": lambda batch: builders.bert(
        8, 512, 128, batch or 4, 1000, 8),
}
OVER = 1.10  # the step over the slower of its two parts


def options():
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--only", help="cases whose name has this part")
    parser.add_argument("--batch", type=int, help="of each rank")
    return parser.parse_args()


def start(ranks):
    """Becomes the launcher, which runs this file once more in every rank."""
    os.execv(sys.executable, [sys.executable, "-m", "torch_xpu_lite", "launch", "-n",
                              str(ranks), *sys.argv])


def step(model, batch, optimizer):
    """Forward, backward, update: what a program repeats."""
    loss, _ = builders.loss_of(model, batch)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()  # to None


def side(model, batch, device, group):
    """The DDP model of one side and its step."""
    there = copy.deepcopy(model).to(device)
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    ddp = DDP(there, process_group=group, gradient_as_bucket_view=True)
    optimizer = torch.optim.SGD(ddp.parameters(), 1e-3, momentum=0.9, fused=True)
    return ddp, lambda: step(ddp, batch, optimizer)


def buckets(model, batch, device):
    """Bytes of DDP's buckets: the storages that the gradients are views of."""
    loss, _ = builders.loss_of(model, {k: v.to(device) for k, v in batch.items()})
    loss.backward()
    storages = [p.grad.untyped_storage() for p in model.parameters()]
    model.zero_grad()
    return list({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def traffic(sizes, device, group):
    """All-reduces buffers of these sizes, queued as backward queues them."""
    buffers = [torch.zeros(size // 4, device=device) for size in sizes]

    def run():
        for work in [dist.all_reduce(b, group=group, async_op=True) for b in buffers]:
            work.wait()

    return run


def measure(sides, rounds, group, cpu_time):
    """Median seconds of each side: of the slowest rank, in turns."""
    clock = time.process_time if cpu_time else time.perf_counter
    times = {name: [] for name in sides}
    for round in range(rounds + 1):  # the first warms up
        for name in list(sides) if round % 2 else list(sides)[::-1]:
            dist.barrier(group)
            begin = clock()
            sides[name]()
            took = torch.tensor([clock() - begin])
            dist.all_reduce(took, dist.ReduceOp.MAX, group)
            if round:
                times[name].append(took.item())
    return {name: statistics.median(values) for name, values in times.items()}


def case(name, chosen):
    """Medians of one model, and what is said of them."""
    device, group = chosen.device, dist.group.WORLD
    model, batch = CASES[name](chosen.batch)
    ours, our_step = side(model, batch, device, group)
    gloo = dist.new_group(backend="gloo")
    _, their_step = side(model, batch, "cpu", gloo)
    for _ in range(2):  # DDP rebuilds its buckets after the first
        our_step()
        their_step()

    def compute():
        with ours.no_sync():
            our_step()

    sizes = buckets(ours, batch, device)
    send = traffic(sizes, device, group)
    times = measure({"compute": compute, "traffic": send, "step": our_step,
                     "gloo": their_step}, chosen.rounds, gloo, chosen.cpu_time)
    count = sum(p.numel() for p in model.parameters())
    rows = len(next(iter(batch.values())))
    title = (f"{name}: {count / 1e6:.1f} M parameters, {rows} rows for each rank, "
             f"{len(sizes)} buckets")
    return {"case": title, **times, "over": times["step"] / max(times["compute"],
                                                                 times["traffic"])}


def show(result):
    verdict = "PASSED" if result["over"] <= OVER else "MISSED"
    beats = "PASSED" if result["step"] < result["gloo"] else "MISSED"
    print(f"\n  {result['case']}")
    for text, key in (("forward, backward, update without traffic", "compute"),
                      ("all_reduce of the same buckets alone", "traffic"),
                      ("DDP step over xpulite", "step"), ("DDP step over gloo, on the CPU", "gloo")):
        print(f"    {text:42} {seconds(result[key]):>10}")
    print(f"    step over the slower of its parts {result['over']:.3f}  "
          f"(at most {OVER:.2f}) {verdict}")
    print(f"    step over that of gloo            {result['step'] / result['gloo']:.3f}  "
          f"(below 1) {beats}", flush=True)


def main():
    chosen = options()
    if "RANK" not in os.environ:
        start(chosen.ranks)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    dist.init_process_group("xpulite", timeout=timedelta(seconds=120))
    first = dist.get_rank() == 0
    if first:
        print(f"DDP, {dist.get_world_size()} ranks")
        for line in machine(chosen.device):
            print(f"  {line}")
        from torch_xpu_lite.distributed import describe
        print(f"  {describe()}", flush=True)
    results = []
    for name in CASES:
        if chosen.only and chosen.only not in name:
            continue
        results.append(case(name, chosen))
        if first:
            show(results[-1])
    if first and chosen.json:
        with open(chosen.json, "w") as out:
            json.dump({"machine": machine(chosen.device), "results": results}, out, indent=1)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
