"""Ranks on this machine, for tests of what stands on several processes.

A ``Ranks`` holds processes that stay and run functions of test modules by name::

    @pytest.fixture(scope="module")
    def ranks():
        with Ranks(4, init=True) as ranks:
            yield ranks

    def sums(me, dtype):            # runs on every rank; `me` is a Rank
        x = torch.ones(3, dtype=dtype, device=me.device)
        dist.all_reduce(x)
        assert x[0] == me.size
        return x.tolist()

    def test_sums(ranks):
        assert ranks.run(sums, torch.float32)[0] == [4.0] * 3

The processes are forked from one that has imported torch, so a new ``Ranks`` costs
a few hundredths of a second. After a failed or hung call they are killed, and the
next call gets new ones.

``RANKS_BACKEND=gloo RANKS_DEVICE=cpu`` runs the same tests over another backend, to
tell a defect of a test from one of ours.
"""

import contextlib
import ctypes
import dataclasses
import datetime
import faulthandler
import functools
import importlib
import multiprocessing
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from multiprocessing import connection

XPULITE = "cpu:xpulite,xpu_lite:xpulite"
BACKEND = os.environ.get("RANKS_BACKEND", XPULITE)
DEVICE = os.environ.get("RANKS_DEVICE", "xpu_lite")
_GRACE = 5.0  # seconds that the other ranks get after one has failed
# Imported once, for all ranks of a test session.
_PRELOAD = [
    "torch.distributed.checkpoint", "torch.distributed.fsdp", "torch.distributed.pipelining",
    "torch.distributed.tensor.parallel", "torch._dynamo", "pytest",
]


class Rank:
    """What a function on a rank gets as its first argument."""

    device, backend = DEVICE, BACKEND

    def __init__(self, rank: int, size: int, port: int, directory: str, prefix: str):
        self.rank, self.size = rank, size
        self._port, self._directory, self._prefix = port, directory, prefix
        self._call = 0

    @property
    def folder(self) -> pathlib.Path:
        """A folder that this call shares with the other ranks, empty at first."""
        path = pathlib.Path(self._directory, f"call-{self._prefix}-{self._call}")
        path.mkdir(exist_ok=True)
        return path

    @functools.cached_property
    def _server(self):
        from torch.distributed import TCPStore

        return TCPStore("127.0.0.1", self._port, is_master=False)

    def store(self, name: str = "group"):
        """The store called `name`, the same one on all ranks of this ``Ranks``."""
        from torch.distributed import PrefixStore

        return PrefixStore(f"{self._prefix}/{name}", self._server)

    def init(self, name: str = "group", backend: str = BACKEND, timeout: float = 60, **options):
        """`init_process_group` of all ranks; each time with a `name` of its own."""
        import torch.distributed as dist

        dist.init_process_group(
            backend, store=self.store(name), rank=self.rank, world_size=self.size,
            timeout=datetime.timedelta(seconds=timeout), **options,
        )


@dataclasses.dataclass
class Outcome:
    """How a call ended on one rank; it returned if the next three are unset."""

    value: object = None
    error: str | None = None  # traceback of what was raised
    died: int | None = None   # exit code; negative: the signal
    hung: str | None = None   # stacks of all threads at the timeout
    log: str = ""             # end of what the process printed, unless it returned

    @property
    def ok(self) -> bool:
        return self.error is None and self.died is None and self.hung is None

    def __str__(self) -> str:
        if self.ok:
            return f"returned {self.value!r}"
        text = self.error or (self.hung and f"hung:\n{self.hung}") or f"died: exit {self.died}"
        return text.rstrip() + (f"\n--- printed ---\n{self.log}" if self.log else "")


class Ranks:
    """`size` processes that run functions together.

    Args:
        size: how many.
        init: each process makes the default group once, with `BACKEND`.
        environment: variables of the processes; None unsets one. They are set before
            anything of the device runs, but after torch is imported.
        fresh: new interpreters instead of forks, for variables that are read while
            torch is imported; costs 2.5 s of CPU for each rank.
        timeout: seconds for a call that names none.
    """

    def __init__(self, size, *, init=False, environment=None, fresh=False, timeout=120.0):
        self.size, self.timeout = size, timeout
        self._init, self._fresh = init, fresh
        self._environment = dict(environment or {})
        self._processes, self._pipes = [], []
        self._generation = 0
        self._patient = False
        self._directory = tempfile.mkdtemp(prefix="ranks-")
        self._server = None

    def run(self, function, *args, timeout=None, **kwargs) -> list:
        """Calls `function(me, *args, **kwargs)` on all ranks; what each returned.

        Raises:
            AssertionError: a rank raised, died, or did not return in `timeout`
                seconds; says so of every rank, with tracebacks or stacks.
        """
        outcomes = self.outcomes(function, *args, timeout=timeout, **kwargs)
        if all(outcome.ok for outcome in outcomes):
            return [outcome.value for outcome in outcomes]
        import pytest

        skips = [o.error for o in outcomes if o.error and o.error.startswith("Skipped: ")]
        if len(skips) == self.size:
            pytest.skip(skips[0].removeprefix("Skipped: "))
        report = [f"{function.__name__} on {self.size} ranks:"]
        for rank, outcome in enumerate(outcomes):
            same = [r for r in range(rank) if outcomes[r].error == outcome.error is not None]
            report.append(f"=== rank {rank}: {f'as rank {same[0]}' if same else outcome}")
        raise AssertionError("\n".join(report))

    def outcomes(self, function, *args, timeout=None, **kwargs) -> list[Outcome]:
        """As `run`, for calls in which ranks may raise, die or hang."""
        if not self._processes:
            self._start()
        job = (function.__module__, function.__qualname__, args, kwargs)
        for pipe in self._pipes:
            with contextlib.suppress(BrokenPipeError):
                pipe.send(job)
        outcomes = self._collect(time.monotonic() + (timeout or self.timeout))
        if not all(outcome.ok for outcome in outcomes):
            self._stop()
            for rank, outcome in enumerate(outcomes):
                if not outcome.ok:
                    outcome.log = self._read(f"{rank}.log", 4000)
                if outcome.died:  # of a crash; nothing is written for SIGKILL
                    outcome.log += self._read(f"{rank}.stacks", 4000)
        return outcomes

    @contextlib.contextmanager
    def patient(self):
        """Within it, a failed rank does not shorten the time of the others: for tests
        in which the survivors of a fault have to notice it."""
        self._patient = True
        try:
            yield self
        finally:
            self._patient = False

    def pids(self) -> list[int]:
        """The processes' ids; starts them if there are none."""
        if not self._processes:
            self._start()
        return [process.pid for process in self._processes]

    def close(self) -> None:
        self._stop()
        self._server = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self) -> None:
        from torch.distributed import TCPStore

        if self._server is None:
            self._server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self._generation += 1
        context = multiprocessing.get_context("spawn" if self._fresh else "forkserver")
        if not self._fresh:
            context.set_forkserver_preload(_PRELOAD)
        environment = {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self._server.port),
            "WORLD_SIZE": str(self.size), "LOCAL_WORLD_SIZE": str(self.size),
            "TORCHELASTIC_USE_AGENT_STORE": "True", **self._environment,
        }
        with _environment(environment if self._fresh else {}):
            for rank in range(self.size):
                ours, theirs = context.Pipe()
                me = (rank, self.size, self._server.port, self._directory,
                      str(self._generation))
                process = context.Process(
                    target=_serve, daemon=True,
                    args=(theirs, me, environment, os.getpid(), self._init),
                )
                process.start()
                theirs.close()
                self._processes.append(process)
                self._pipes.append(ours)

    def _stop(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        self._processes, self._pipes = [], []

    def _collect(self, deadline: float) -> list[Outcome]:
        outcomes = [None] * self.size
        while (waiting := [r for r in range(self.size) if outcomes[r] is None]):
            limit = max(0.0, deadline - time.monotonic())
            ready = connection.wait([self._pipes[r] for r in waiting], limit)
            if not ready:
                for rank in waiting:
                    outcomes[rank] = Outcome(hung=self._stacks(rank))
                break
            for rank in waiting:
                if self._pipes[rank] in ready:
                    outcomes[rank] = self._receive(rank)
                    if not outcomes[rank].ok and not self._patient:
                        deadline = min(deadline, time.monotonic() + _GRACE)
        return outcomes

    def _receive(self, rank: int) -> Outcome:
        try:
            kind, value = self._pipes[rank].recv()
        except (EOFError, ConnectionResetError):
            self._processes[rank].join(5)
            return Outcome(died=self._processes[rank].exitcode)
        return Outcome(value=value) if kind == "value" else Outcome(error=value)

    def _stacks(self, rank: int) -> str:
        with contextlib.suppress(OSError):
            os.kill(self._processes[rank].pid, signal.SIGUSR1)
        time.sleep(0.3)
        return self._read(f"{rank}.stacks", 6000) or "no stacks"

    def _read(self, name: str, last: int) -> str:
        try:
            return pathlib.Path(self._directory, name).read_text(errors="replace")[-last:]
        except FileNotFoundError:  # the process did not come so far
            return ""


@contextlib.contextmanager
def _environment(values):
    before = dict(os.environ)
    _set(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _set(values) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)


def _serve(pipe, me, environment, parent, init) -> None:
    """The life of a rank: runs what comes through the pipe until it is closed."""
    rank, directory = me[0], me[3]
    log = os.open(f"{directory}/{rank}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = sys.stderr = open(2, "w", buffering=1, closefd=False)
    _die_with(parent)
    stacks = open(f"{directory}/{rank}.stacks", "w")
    faulthandler.enable(stacks)
    faulthandler.register(signal.SIGUSR1, stacks, all_threads=True)
    _set({**environment, "RANK": rank, "LOCAL_RANK": rank})
    import torch

    torch.set_num_threads(1)  # the ranks share few cores
    me = Rank(*me)
    ready = not init
    while True:
        try:
            module, name, args, kwargs = pipe.recv()
        except EOFError:
            os._exit(0)
        me._call += 1
        try:
            if not ready:
                me.init()
                ready = True
            function = importlib.import_module(module)
            for part in name.split("."):
                function = getattr(function, part)
            answer = ("value", function(me, *args, **kwargs))
        except BaseException as error:
            text = "".join(traceback.format_exception(error))
            if type(error).__name__ == "Skipped":
                text = f"Skipped: {error}"
            answer = ("error", text)
        try:
            pipe.send(answer)
        except BrokenPipeError:
            os._exit(0)
        except Exception as error:  # the value cannot be pickled
            pipe.send(("error", f"cannot return {answer[1]!r}: {error}"))


def _die_with(parent: int) -> None:
    # A killed test run must leave nothing behind, and the process that forked us
    # outlives it only for a moment.
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch():
        while os.path.exists(f"/proc/{parent}"):
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="ranks-parent").start()
