"""What is known not to work on the device, with its reason.

These are still run: one that begins to pass fails the tests, so that this list and the table in
docs/support.md stay true. An operator is named as in torch's database; "*" is every dtype or kind.
"""

from typing import NamedTuple


class Declared(NamedTuple):
    op: str
    dtype: str
    kind: str
    reason: str


OPERATORS: list[Declared] = []

MODULES: dict[str, str] = {}  # module name -> reason


def operator_reason(op, dtype, kind):
    """The reason why (op, dtype, kind) is declared unsupported, or None."""
    for entry in OPERATORS:
        if (entry.op == op and entry.dtype in ("*", dtype) and entry.kind in ("*", kind)):
            return entry.reason
    return None
