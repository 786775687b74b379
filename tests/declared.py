"""What is known not to work on the device, with its reason.

These are still run: one that begins to pass fails the tests, so that these lists and the table in
docs/support.md stay true. An operator is named as in torch's database; "*" is every dtype, kind or
engine. Engines are "host" and "sycl".
"""

from typing import NamedTuple

from engine import ENGINE


class Declared(NamedTuple):
    """Fails for one entry of the operator database (test_ops.py, test_device_type.py)."""

    op: str
    dtype: str
    kind: str
    reason: str
    engine: str = "*"


class DeclaredModule(NamedTuple):
    """Fails for one entry of the module database (test_modules.py)."""

    name: str
    reason: str
    engine: str = "*"


class DeclaredTest(NamedTuple):
    """Any other test that fails: conftest.py makes it a strict expected failure."""

    test: str  # "test_file.py::test_name", with "[parameters]" for one case alone
    reason: str
    engine: str = "*"


OPERATORS: list[Declared] = [
    Declared("nn.functional.gelu", "*", "out", "torch's CPU kernel (oneDNN) writes a non-contiguous "
             "out= as if it were contiguous; the device writes the right elements", "sycl"),
    Declared("nn.functional.avg_pool3d", "*", "out", "torch's CPU kernel writes a non-contiguous "
             "out= as if it were contiguous; the device writes the right elements", "sycl"),
    Declared("narrow_copy", "*", "out", "torch's CPU kernel copies rows into a non-contiguous out= "
             "as if it were contiguous; the device writes the right elements", "sycl"),
]

MODULES: list[DeclaredModule] = []

TESTS: list[DeclaredTest] = []


def here(entry):
    """Whether the entry is about the engine under test."""
    return entry.engine in ("*", ENGINE)


def operator_reason(op, dtype, kind):
    """The reason why (op, dtype, kind) is declared unsupported, or None."""
    for entry in OPERATORS:
        if (here(entry) and entry.op == op and entry.dtype in ("*", dtype)
                and entry.kind in ("*", kind)):
            return entry.reason
    return None


def module_reason(name):
    """The reason why the module is declared unsupported, or None."""
    return next((entry.reason for entry in MODULES if here(entry) and entry.name == name), None)


def reason_of_test(test):
    """The reason why the test ("test_file.py::test_name[parameters]") is declared to fail, or None."""
    names = (test, test.partition("[")[0])
    return next((entry.reason for entry in TESTS if here(entry) and entry.test in names), None)
