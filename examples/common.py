"""What the examples share: the choice of a device, a progress line, safe files."""

import os
import sys
import time
from pathlib import Path

import torch

try:
    from rich.console import Console
    from rich.progress import (BarColumn, MofNCompleteColumn, Progress, TextColumn,
                               TimeRemainingColumn)
except ImportError:
    Progress = None

WORLD_SIZE = int(os.environ.get("WORLD_SIZE", "1"))
RANK = int(os.environ.get("RANK", "0"))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", "0"))


def add_device_argument(parser):
    parser.add_argument("--device", default="auto",
                        help="where to run: a device name, or auto for the machine's "
                             "accelerator, else cpu (default)")


def pick_device(name):
    """The torch.device of `name`; "auto" is the accelerator if there is one, else cpu.

    Under torchrun each process on a machine takes a device of its own.
    Exits with one line when torch knows no such device.
    """
    try:
        if name == "auto":
            found = torch.accelerator.current_accelerator(check_available=True)
            device = found if found is not None else torch.device("cpu")
        else:
            device = torch.device(name)
        if WORLD_SIZE > 1 and device.type != "cpu" and device.index is None:
            count = max(1, torch.accelerator.device_count())
            device = torch.device(device.type, LOCAL_RANK % count)
        if device.type != "cpu" and device.index is not None:
            torch.accelerator.set_device_index(device.index)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        sys.exit(f"device {name!r} cannot be used: {str(error).splitlines()[0]}")
    return device


def synchronize(device):
    """Waits until the work given to `device` is done, so that a clock tells the truth."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


class Steps:
    """A progress bar where there is a terminal, a line every few seconds where not."""

    def __init__(self, title, total, seconds=5.0):
        self.title, self.total, self.seconds = title, total, seconds
        self.done, self.note, self.printed = 0, "", time.monotonic()
        self.bar = None

    def __enter__(self):
        if Progress is not None and RANK == 0 and sys.stdout.isatty():
            self.bar = Progress(TextColumn("{task.description}"), BarColumn(),
                                MofNCompleteColumn(), TimeRemainingColumn(),
                                TextColumn("{task.fields[note]}"), console=Console(),
                                transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=self.total, note="")
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()

    def advance(self, note=""):
        """One step is done; `note` is shown beside the bar."""
        self.done += 1
        if self.bar:
            self.bar.update(self.task, advance=1, note=note)
        elif RANK == 0 and time.monotonic() - self.printed > self.seconds:
            self.printed = time.monotonic()
            print(f"{self.title}: {self.done} of {self.total}  {note}", flush=True)


def say(*parts):
    """Prints on the first process only."""
    if RANK == 0:
        print(*parts, flush=True)


def save_atomically(state, path):
    """torch.save that leaves the old file or the new one, never half of one."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_checkpoint(path, device):
    """A checkpoint's state on `device`. Exits with one line when it cannot be read."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        sys.exit(f"cannot resume: there is no checkpoint {path}")
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        sys.exit(f"cannot resume: {path} is not a readable checkpoint ({reason}). "
                 "Remove it to start over.")
