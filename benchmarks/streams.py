"""Two streams with a core each: the time of two jobs side by side over one after the other."""

import os
import statistics
import time

import torch
from common import arguments, machine


def matmuls(device):
    a = torch.rand(384, 384).to(device)
    out = torch.empty_like(a)

    def job():
        for _ in range(30):
            torch.mm(a, a, out=out)

    return job


def elementwise(device):
    x = torch.rand(1 << 16).to(device)
    out = torch.empty_like(x)

    def job():
        for _ in range(200):
            torch.exp(x, out=out)

    return job


JOBS = {"matmul loop": matmuls, "elementwise loop": elementwise}


def timed(module, streams, jobs):
    """Seconds for jobs[i] on streams[i], all queued, then waited for."""
    start = time.perf_counter()
    for stream, job in zip(streams, jobs):
        with module.stream(stream):
            job()
    for stream in streams:
        stream.synchronize()
    return time.perf_counter() - start


def main():
    options = arguments(__doc__.splitlines()[0], rounds=15).parse_args()
    module = getattr(torch, options.device)
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two cores are needed to run two streams side by side")
    one, two = (module.Stream(cores=[core]) for core in cores)
    print("Two streams, a core each")
    for line in machine(options.device):
        print(f"  {line}")
    for name, make in JOBS.items():
        jobs = [make(options.device), make(options.device)]
        module.synchronize()
        apart, together = [], []
        for _ in range(options.rounds + 2):
            apart.append(timed(module, [one], jobs[:1]) + timed(module, [two], jobs[1:]))
            together.append(timed(module, [one, two], jobs))
        apart, together = statistics.median(apart[2:]), statistics.median(together[2:])
        print(f"  {name:18} one after the other {apart * 1e3:7.1f} ms, side by side "
              f"{together * 1e3:7.1f} ms, ratio {together / apart:.2f}  (at most 0.65)")


if __name__ == "__main__":
    main()
