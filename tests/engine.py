"""The engine under test, and the marks for what only one engine has.

A test without a mark must pass on every engine, with nothing but XPU_LITE_DEVICES changed. What an
engine ought to do and cannot is no case for a mark: it is declared in declared.py, and still run.
"""

import pytest
from torch_xpu_lite import _C

KIND = _C._engine_kind()  # "host", or as XPU_LITE_DEVICES names a SYCL device: "opencl:cpu"
ENGINE = "host" if KIND == "host" else "sycl"


def host_only(reason):
    """Marks what only the host engine has; `reason` says why the SYCL engine has no such thing."""
    return pytest.mark.skipif(ENGINE != "host", reason=f"host engine only: {reason}")


def sycl_only(reason="a test of the SYCL engine"):
    """Marks what only the SYCL engine has."""
    return pytest.mark.skipif(
        ENGINE != "sycl", reason=f"XPU_LITE_DEVICES names no SYCL device: {reason}")


def several(count):
    """The value of XPU_LITE_DEVICES that gives `count` devices of the engine under test."""
    return f"{KIND}:{count}"
