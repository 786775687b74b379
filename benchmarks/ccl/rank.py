"""One rank of the benchmark: joins the groups, walks through the cells, rank 0 tells the parent."""

import ctypes
import datetime
import os
import signal
import time
import traceback
import warnings

import torch
import torch.distributed as dist

from ccl.calls import LARGE, Call, TorchCalls, room
from ccl.measure import PATIENCE, Agreement, cell, memory_calls
from ccl.oneccl import OneCCL

OURS = "cpu:xpulite,xpu_lite:xpulite"


def main(rank, shared, plan):
    """Target of the process. plan: the parent's choices, a dictionary."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no orphans
    warnings.simplefilter("ignore", FutureWarning)  # newer names of the same functions
    status = 0
    try:
        walk(rank, shared, plan)
    except BaseException:
        # A barrier that another rank broke is not news.
        text = traceback.format_exc()
        if "BrokenBarrierError" not in text or not shared.barrier.broken:
            shared.messages.put(("error", rank, text))
        status = 1
        shared.barrier.abort()
    shared.messages.close()
    shared.messages.join_thread()
    os._exit(status)  # oneCCL's threads have no end of their own


def sides_of(rank, agreement, shared, plan):
    """{side: what makes its calls}: the groups of this rank and the tensors beside them."""
    ranks = shared.ranks
    largest = room([size for _, size in plan["cells"]], ranks)
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // ranks))
    patience = datetime.timedelta(seconds=PATIENCE)
    path = os.path.join(plan["folder"], f"store-{ranks}")
    dist.init_process_group("gloo", store=dist.FileStore(path, ranks), rank=rank,
                            world_size=ranks, timeout=patience)
    # Groups of the same kind on both sides: the default group is nobody's.
    gloo = dist.new_group(backend="gloo", timeout=patience)
    ours = None
    if {"xpulite", "xpulite cpu"} & set(plan["sides"]):
        ours = dist.new_group(backend=OURS, timeout=patience)
    on_cpu = TorchCalls.on("cpu", largest, gloo, rank, ranks)
    made = {}
    for side in plan["sides"]:
        agreement.doing(f"set up {side}")
        if side == "xpulite":
            made[side] = TorchCalls.on(plan["device"], largest, ours, rank, ranks)
        elif side == "xpulite cpu":
            made[side] = on_cpu.over(ours)
        elif side == "gloo":
            made[side] = on_cpu
        else:
            made[side] = OneCCL(plan["oneccl"], on_cpu, shared.address, agreement.wait, rank,
                                ranks)
    return made


def walk(rank, shared, plan):
    agreement = Agreement(shared, rank)
    agreement.doing("start")
    sides = sides_of(rank, agreement, shared, plan)
    cells = plan["cells"]
    end = time.monotonic() + plan["seconds"]
    for i, (name, size) in enumerate(cells):
        agreement.doing(f"{name} of {size} bytes, {shared.ranks} ranks")
        # What is left is shared out; small sizes leave most of theirs to the large.
        share = max(0.0, end - time.monotonic()) / (len(cells) - i)
        budget = agreement.all([min(plan["cell"], share)])[0][0]
        calls, absent = {}, {}
        for side in sides:
            if side == "xpulite cpu" and name == "barrier":
                continue  # no tensor, no difference
            try:
                calls[side] = sides[side].make(name, size)
                agreement.doing(f"{name} of {size} bytes, {shared.ranks} ranks: {side}")
                calls[side].check(rank, f"{side} {name} of {size} bytes")
            except NotImplementedError as error:
                calls.pop(side, None)
                absent[side] = str(error)
        result = {"ranks": shared.ranks, "collective": name, "bytes": size, "absent": absent,
                  "times": cell(agreement, calls, budget, plan["rounds"])}
        if name == "all_reduce" and size >= LARGE:
            agreement.doing("memory bandwidth")
            result["memory"] = memory(agreement, next(iter(sides.values())), plan)
        if rank == 0:
            shared.messages.put(("cell", rank, result))


def memory(agreement, tensors, plan):
    """Bytes per second of one rank while all ranks run the same plain loop over cold memory."""
    loops = memory_calls(tensors)
    times = cell(agreement, {name: Call(run) for name, (run, _) in loops.items()}, plan["cell"],
                 plan["rounds"])
    return {name: loops[name][1] / times[name]["median"] for name in loops}
