"""Runs the checks of a module in several ranks: one start of processes, many checks.

A module of checks has functions ``check_...(ranks)``; a test file gives each of them a test::

    import ddp_checks

    @pytest.mark.parametrize("world", [2, 4])
    @pytest.mark.parametrize("name", ranks.names(ddp_checks))
    def test_ddp(request, world, name):
        ranks.passes(request, ddp_checks, world, name)

The first test of a world runs, in one start of that many processes, every check that this
session has selected; the others read what came out. After a check that failed, crashed or hung
the group is in an unknown state, so the remaining checks get new processes: a defect costs its
own test and no other.

``XL_TEST_BACKEND=gloo`` runs the same checks on CPU tensors, to tell a defect of a check from
one of the backend.
"""

import atexit
import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

BACKEND = os.environ.get("XL_TEST_BACKEND", "xpulite")
DEVICE = "xpu_lite" if BACKEND == "xpulite" else "cpu"
LIMIT = float(os.environ.get("XL_TEST_LIMIT", "120"))  # seconds without progress: a hang


@dataclass
class Ranks:
    """What a check is told: where it runs. Its default process group is ready."""

    rank: int
    world: int
    device: str
    backend: str
    folder: Path  # the same in all ranks, empty at the start of each check


def names(module):
    """The checks of a module, in the order of its text."""
    found = [value for name, value in vars(module).items() if name.startswith("check_")]
    found.sort(key=lambda function: inspect.getsourcelines(function)[1])
    return [function.__name__.removeprefix("check_") for function in found]


_results = {}


def passes(request, module, world, name, **environment):
    """Asserts that every one of `world` ranks passed check_<name> of `module`."""
    import pytest

    key = (module.__name__, world, tuple(sorted(environment.items())))
    if key not in _results:
        selected = []
        for item in request.session.items:
            values = getattr(getattr(item, "callspec", None), "params", {})
            if item.function is request.function and values.get("world") == world:
                selected.append(values["name"])
        _results[key] = run(module.__name__, world, selected or [name], environment)
    outcome = _results[key].get(name)
    if outcome is None:  # selected by another function
        outcome = run(module.__name__, world, [name], environment)[name]
    if outcome.startswith("skip"):
        pytest.skip(outcome.removeprefix("skip: "))
    assert outcome == "ok", outcome


def run(module, world, checks, environment=None, limit=LIMIT):
    """{check: "ok" or what went wrong}, of every rank, restarting after each failure."""
    outcomes, left = {}, list(checks)
    while left:
        found = _start(module, world, left, environment or {}, limit)
        assert found, f"{module} with {world} ranks: nothing ran"
        outcomes.update(found)
        left = [name for name in left if name not in found]
    return outcomes


def _start(module, world, checks, environment, limit):
    """One life of the processes: up to the first check that does not pass."""
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        folder = Path(folder)
        processes = []
        kill_all = lambda: [_kill(process) for process in processes]  # noqa: E731
        atexit.register(kill_all)
        try:
            for rank in range(world):
                env = {**os.environ, "OMP_NUM_THREADS": "1", **environment,
                       "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
                with open(folder / f"log{rank}", "wb") as log:
                    processes.append(subprocess.Popen(
                        [sys.executable, __file__, module, str(folder), *checks], env=env,
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        start_new_session=True))
            return _watch(folder, processes, checks, limit)
        finally:
            kill_all()
            atexit.unregister(kill_all)


def _kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _progress(folder, world):
    """Of each rank, the lines [check, state, text] that it wrote."""
    lines = []
    for rank in range(world):
        path = folder / f"progress{rank}"
        text = path.read_text() if path.exists() else ""
        lines.append([json.loads(line) for line in text.splitlines() if line.endswith("]")])
    return lines


def _watch(folder, processes, checks, limit):
    world = len(processes)
    before, changed, grace = None, time.monotonic(), None
    while True:
        now = time.monotonic()
        lines = _progress(folder, world)
        if lines != before:
            before, changed = lines, now
        codes = [process.poll() for process in processes]
        failed = [line for rank in lines for line in rank if line[1] not in ("start", "ok")]
        if all(code is not None for code in codes):
            break
        # The other ranks of a failed check say what they saw, or are killed.
        if (failed or any(codes)) and grace is None:
            grace = now + 20
        if now - changed > limit or (grace is not None and now > grace):
            break
        time.sleep(0.05)
    lines = _progress(folder, world)
    outcomes = {}
    for name in checks:
        states = [next(([s, t] for n, s, t in reversed(rank) if n == name), ["none", ""])
                  for rank in lines]
        if all(state == "ok" for state, _ in states):
            outcomes[name] = "ok"
        elif all(state in ("ok", "skip") for state, _ in states):
            outcomes[name] = "skip: " + next(text for state, text in states if state == "skip")
        elif any(state != "none" for state, _ in states) or name == checks[0]:
            outcomes[name] = _story(folder, processes, states)
            break
        else:
            break
    if all(value == "ok" for value in outcomes.values()) and len(outcomes) == len(checks):
        codes = [process.poll() for process in processes]
        if any(code != 0 for code in codes):  # passed, but could not shut down
            outcomes[checks[-1]] = "after the last check: " + _story(
                folder, processes, [["ok", ""]] * world)
    return outcomes


def _story(folder, processes, states):
    parts = []
    for rank, (process, (state, text)) in enumerate(zip(processes, states)):
        code = process.poll()
        if code is None:
            ended = "still running: killed"
        else:
            ended = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        log = (folder / f"log{rank}").read_text(errors="replace")[-1500:]
        parts.append(f"--- rank {rank}: {state}, process {ended}\n{text}\n{log}")
    return "\n".join(parts)


def _main(module, folder, checks):
    """A rank."""
    import torch  # noqa: F401  (loads the device)
    import torch.distributed as dist
    import torch_xpu_lite  # noqa: F401

    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    folder = Path(folder)
    store = dist.FileStore(str(folder / "store"), world)
    store.set_timeout(timedelta(seconds=90))
    dist.init_process_group(BACKEND, store=dist.PrefixStore("group", store), rank=rank,
                            world_size=world, timeout=timedelta(seconds=60))
    module = importlib.import_module(module)
    failed = False
    with open(folder / f"progress{rank}", "w", buffering=1) as progress:
        def tell(name, state, text=""):
            progress.write(json.dumps([name, state, text]) + "\n")

        for name in checks:
            work = folder / name
            work.mkdir(exist_ok=True)
            tell(name, "start")
            state, text = "ok", ""
            try:
                torch.manual_seed(0)
                getattr(module, f"check_{name}")(Ranks(rank, world, DEVICE, BACKEND, work))
            except Exception as error:
                skip = type(error).__name__ == "Skip"
                state = "skip" if skip else "fail"
                text = str(error) if skip else traceback.format_exc()
            tell(name, state, text)
            # The ranks agree by the store, which a broken group cannot hurt.
            store.set(f"{name}/{rank}", state)
            if any(store.get(f"{name}/{peer}") == b"fail" for peer in range(world)):
                failed = True
                break
    if failed:
        os._exit(1)
    dist.destroy_process_group()


class Skip(Exception):
    """Raised by a check, in all ranks alike, where it does not apply."""


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    _main(sys.argv[1], sys.argv[2], sys.argv[3:])
