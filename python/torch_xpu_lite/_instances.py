"""Several independent copies of a program: ``xpu-lite launch --instances N``.

They are no ranks of one job: no variable tells one of the others, each has its share of the
cores, and one that fails does not end the rest.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


def start(command, shares, log_dir=None) -> int:
    """Starts a copy of the command on each share of cores and waits for all.

    Args:
        command: a list of arguments.
        shares: a list of cores for each copy; an empty one is not bound.
        log_dir: a folder for what each prints (``instance_0.log``); None: only here, with the
            copy's number in front of each line.

    Returns:
        0, or the exit status of the first copy (by number) that failed.
    """
    if log_dir is not None:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
    copies, readers = [], []
    for number, cores in enumerate(shares):
        environment = {**os.environ, "INSTANCE_INDEX": str(number)}
        environment.pop("LOCAL_RANK", None)
        child = subprocess.Popen(
            [sys.executable, "-IS", str(Path(__file__).with_name("_rank.py")),
             ",".join(map(str, cores)), *command],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")
        log = None if log_dir is None else open(Path(log_dir, f"instance_{number}.log"), "w")
        reader = threading.Thread(target=_copy_lines, args=(child.stdout, number, log), daemon=True)
        reader.start()
        copies.append(child)
        readers.append(reader)

    def pass_on(number, frame):
        for child in copies:
            if child.poll() is None:
                child.send_signal(number)

    before = {s: signal.signal(s, pass_on) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        codes = [child.wait() for child in copies]
        for reader in readers:
            reader.join()
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
    for number, code in enumerate(codes):
        if code:
            print(f"xpu-lite launch: instance {number} ended with status {code}", file=sys.stderr)
    failed = [code for code in codes if code]
    return 0 if not failed else failed[0] if failed[0] > 0 else 128 - failed[0]


def _copy_lines(pipe, number, log) -> None:
    with pipe:
        for line in pipe:
            sys.stdout.write(f"[{number}] {line}")
            sys.stdout.flush()
            if log is not None:
                log.write(line)
                log.flush()
    if log is not None:
        log.close()
