"""Ranks that stay alive over many tests of torch's DistributedTest (see rank.py).

A rank that dies or does not answer in time, at most a few seconds after another failed,
ends that test; all ranks are then killed, and fresh ones run the next test.
"""

import contextlib
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

START = 400  # seconds for the ranks to import torch on a busy machine
GRACE = 5    # seconds that the others get after the first failed


@dataclass
class Result:
    """What a test did: "passed", "skipped", "failed", "crashed" or "hung"."""

    status: str
    detail: str = ""
    seconds: float = 0.0


class _Process:
    def __init__(self, rank, world, backend, device, folder):
        self.rank = rank
        self.log = folder / f"rank{rank}.log"
        ours, theirs = os.pipe()
        env = dict(os.environ, OMP_NUM_THREADS="1", PYTHONFAULTHANDLER="1")
        if device == "accelerator":
            env["XPU_LITE_DEVICES"] = f"host:{max(2, world)}"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("rank.py")), str(rank), str(world),
                 backend, device, str(theirs)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=[theirs], text=True,
                env=env)
        os.close(theirs)
        self.answers = ours
        self.pending = b""

    def ask(self, request):
        with contextlib.suppress(BrokenPipeError):  # its death is seen when reading
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def read(self):
        """An answer; None while incomplete; EOFError if the process is gone."""
        piece = os.read(self.answers, 1 << 16)
        if not piece:
            raise EOFError
        self.pending += piece
        if not self.pending.endswith(b"\n"):
            return None
        answer, self.pending = json.loads(self.pending), b""
        return answer

    def tail(self, test):
        text = self.log.read_text(errors="replace")
        return text[text.rfind(f"=== {test}"):][-3000:]

    def end(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        os.close(self.answers)


class Pool:
    """`world` ranks over `backend`.

    `device`: "cpu"; "xpu_lite", where tensors land that name no device; or "accelerator",
    where what is written for "cuda" runs on xpu_lite (see as_accelerator.py)."""

    def __init__(self, world, backend, device="cpu"):
        self.world, self.backend, self.device = world, backend, device
        self.folder = Path(tempfile.mkdtemp(prefix="xpu-lite-ranks-"))
        self.ranks = []
        self.names = []
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Starts the ranks, unless they run; fills `names`."""
        if self.ranks:
            return
        self.ranks = [_Process(r, self.world, self.backend, self.device, self.folder)
                      for r in range(self.world)]
        answers, problem = self._collect(START)
        if problem:
            logs = "\n".join(r.log.read_text(errors="replace")[-3000:] for r in self.ranks)
            self._end()
            raise RuntimeError(f"the ranks did not start ({problem[1]})\n{logs}")
        self.names = answers[0]["names"]

    def run(self, test, timeout):
        """Runs one test on all ranks, for at most `timeout` seconds."""
        self.start()
        self.count += 1
        folder = self.folder / str(self.count)
        for name in ("barrier", "test_dir", "init_dir"):
            (folder / name).mkdir(parents=True)
        started = time.monotonic()
        for rank in self.ranks:
            rank.ask({"name": test, "folder": str(folder)})
        answers, problem = self._collect(timeout)
        seconds = time.monotonic() - started
        result = self._judge(test, answers, problem)
        result.seconds = seconds
        if problem:
            self._end()
        shutil.rmtree(folder, ignore_errors=True)
        return result

    def _judge(self, test, answers, problem):
        failed = {r: a for r, a in answers.items() if a["status"] == "failed"}
        if failed:
            return Result("failed", "\n".join(f"rank {r}: {a['detail']}"
                                              for r, a in failed.items()))
        if problem:
            logs = "\n".join(f"--- rank {r.rank}\n{r.tail(test)}" for r in self.ranks)
            return Result(problem[0], f"{problem[1]}\n{logs}")
        statuses = {a["status"] for a in answers.values()}
        if statuses == {"skipped"}:
            return Result("skipped", answers[0]["detail"])
        return Result("passed")

    def _collect(self, timeout):
        """Every rank's answer by rank, and (status, why) if any did not answer."""
        answers, problem = {}, None
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            for rank in self.ranks:
                selector.register(rank.answers, selectors.EVENT_READ, rank)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    missing = sorted(k.data.rank for k in selector.get_map().values())
                    return answers, problem or ("hung", f"no answer of ranks {missing}")
                for key, _ in selector.select(left):
                    rank, answer = key.data, None
                    try:
                        answer = rank.read()
                    except EOFError:
                        code = rank.process.wait()
                        problem = problem or ("crashed", f"rank {rank.rank} exited with {code}")
                    if answer is None and problem is None:
                        continue
                    if answer is None or answer.get("status") == "failed":
                        deadline = min(deadline, time.monotonic() + GRACE)
                    if answer is not None:
                        answers[rank.rank] = answer
                    selector.unregister(key.fileobj)
        return answers, problem

    def _end(self):
        for rank in self.ranks:
            rank.end()
        self.ranks = []
