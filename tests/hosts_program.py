"""What tests/test_distributed_hosts.py starts on every rank.

usage: hosts_program.py RESULT_FOLDER STEP...; each step is `train:TRANSPORT`,
`collectives:TRANSPORT` or `wait`. Started by torchrun, mpirun, or with torch's
environment variables.
"""

import datetime
import json
import os
import pathlib
import sys

import torch
import torch.distributed as dist

STEPS, BATCH = 12, 32


def model_and_data():
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 700), torch.nn.GELU(), torch.nn.Linear(700, 700),
        torch.nn.GELU(), torch.nn.Linear(700, 10),
    )
    return model, torch.randn(BATCH, 64), torch.randint(10, (BATCH,))


def losses(model, x, y, average):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    seen = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        seen.append(average(loss.detach().clone()))
    return seen


def train_alone():
    """The run that all others must show the losses of."""
    model, x, y = model_and_data()
    return losses(model.to("xpu_lite"), x.to("xpu_lite"), y.to("xpu_lite"), torch.Tensor.item)


def train():
    rank, size = dist.get_rank(), dist.get_world_size()
    model, x, y = model_and_data()
    x, y = (t.to("xpu_lite").chunk(size)[rank] for t in (x, y))
    model = torch.nn.parallel.DistributedDataParallel(model.to("xpu_lite"))

    def average(loss):
        dist.all_reduce(loss, dist.ReduceOp.AVG)
        return loss.item()

    return losses(model, x, y, average)


def collectives():
    """One of each kind over the hosts, large enough for every path."""
    rank, size = dist.get_rank(), dist.get_world_size()
    for device in ("cpu", "xpu_lite"):
        for n in (5, 200_000):
            x = torch.full((n,), float(rank + 1), device=device)
            total = size * (size + 1) / 2
            dist.all_reduce(x)
            assert (x == total).all(), x
            parts = [torch.empty(n + r, device=device) for r in range(size)]
            dist.all_gather(parts, torch.full((n + rank,), float(rank), device=device))
            assert all((part == r).all() for r, part in enumerate(parts))
            y = torch.empty(n, dtype=torch.bfloat16, device=device)
            dist.reduce_scatter_tensor(
                y, torch.ones(n * size, dtype=torch.bfloat16, device=device))
            assert (y == size).all()
            out = torch.empty(n * size, dtype=torch.int32, device=device)
            dist.all_to_all_single(
                out, torch.full((n * size,), rank, dtype=torch.int32, device=device))
            assert (out.view(size, n) == torch.arange(size, device=device)[:, None]).all()
            z = torch.full((n,), rank, dtype=torch.int64, device=device)
            dist.broadcast(z, src=size - 1)
            assert (z == size - 1).all()
            # A ring, and everybody to rank 0 from any source.
            send = dist.isend(x + rank, (rank + 1) % size, tag=4)
            got = torch.empty_like(x)
            dist.recv(got, (rank - 1) % size, tag=4)
            send.wait()
            assert (got == total + (rank - 1) % size).all()
            if rank == 0:
                sources = sorted(dist.recv(got, tag=8) for _ in range(size - 1))
                assert sources == list(range(1, size)), sources
            else:
                dist.send(x, 0, tag=8)
    objects = [None] * size
    dist.all_gather_object(objects, {"rank": rank})
    assert [o["rank"] for o in objects] == list(range(size))
    dist.barrier()


def main():
    folder, steps = pathlib.Path(sys.argv[1]), sys.argv[2:]
    if "PMI_RANK" in os.environ:  # mpirun
        os.environ.update(RANK=os.environ["PMI_RANK"], WORLD_SIZE=os.environ["PMI_SIZE"])
    results = {}
    for step in steps:
        action, _, transport = step.partition(":")
        os.environ["XPU_LITE_CCL_TRANSPORT"] = transport or "auto"
        limit = 20 if action == "wait" else 120
        dist.init_process_group("xpulite", timeout=datetime.timedelta(seconds=limit))
        from torch_xpu_lite.distributed import transport as transport_of

        name = transport_of()
        if action == "train":
            results[step] = [name, train()]
        elif action == "collectives":
            collectives()
            libraries = pathlib.Path("/proc/self/maps").read_text()
            results[step] = [name, "libmpi.so" in libraries]
        else:  # until the test pulls the plug
            try:
                while True:
                    dist.all_reduce(torch.ones(100_000, device="xpu_lite"))
                    (folder / f"running{dist.get_rank()}").touch()
            except RuntimeError as error:
                results[step] = [name, str(error)]
                (folder / f"result{dist.get_rank()}.json").write_text(json.dumps(results))
                os._exit(0)  # the store is on the other host: nothing to say goodbye to
        dist.barrier()
        dist.destroy_process_group()
    rank = os.environ["RANK"]
    (folder / f"result{rank}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
