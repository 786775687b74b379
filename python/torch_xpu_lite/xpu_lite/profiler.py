"""Named ranges in the traces of ``torch.profiler``."""

import contextlib
import threading

from torch.autograd.profiler import record_function

_open = threading.local()


def range_push(message: str) -> int:
    """Opens a range on this thread; returns how many were open before."""
    stack = getattr(_open, "ranges", None)
    if stack is None:
        stack = _open.ranges = []
    span = record_function(str(message))
    span.__enter__()
    stack.append(span)
    return len(stack) - 1


def range_pop() -> int:
    """Closes the range opened last; returns how many are still open, -1 if none was."""
    stack = getattr(_open, "ranges", None)
    if not stack:
        return -1
    stack.pop().__exit__(None, None, None)
    return len(stack)


@contextlib.contextmanager
def range(message: str, *args, **kwargs):
    """Context manager and decorator around :func:`range_push` and :func:`range_pop`."""
    range_push(message.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()


def mark(message: str) -> None:
    """A range without length."""
    with record_function(str(message)):
        pass
