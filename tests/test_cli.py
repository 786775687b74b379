"""The command xpu-lite."""

import subprocess
import sys

import pytest
from engine import KIND


def command(*arguments, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-m", "torch_xpu_lite", *arguments],
        capture_output=True, text=True, timeout=240, env={**os.environ, **environment},
    )


def test_info():
    result = command("info")
    assert result.returncode == 0, result.stderr
    import torch

    for part in (torch.__version__, "xpu_lite:0", "XPU_LITE_DEVICES", "XPU_LITE_FALLBACK",
                 "instruction sets", f"engine: {KIND}", "Optional parts"):
        assert part in result.stdout, part


def test_info_shows_values_in_use():
    result = command("info", XPU_LITE_DEVICES="host:2", XPU_LITE_FALLBACK="warn")
    assert "xpu_lite:1" in result.stdout and "host:2" in result.stdout and "warn" in result.stdout


def test_doctor():
    result = command("doctor", TORCH_DEVICE_BACKEND_AUTOLOAD="1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAILED" not in result.stdout and "xpu-lite works" in result.stdout
    assert result.stdout.count("[") >= 9


def test_doctor_names_a_bad_variable():
    result = command("doctor", XPU_LITE_FALLBACK="perhaps")
    assert result.returncode == 1
    assert "FAILED" in result.stdout and "perhaps" in result.stdout and "do: " in result.stdout


def test_doctor_warns_of_autoload_turned_off():
    result = command("doctor", TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    assert result.returncode == 0
    assert "warning" in result.stdout and "TORCH_DEVICE_BACKEND_AUTOLOAD" in result.stdout


def test_doctor_of_another_torch():
    """It must report what it cannot load, not fail with it."""
    code = (
        "import sys; sys.argv[0] = 'xpu-lite'\n"
        "import torch_xpu_lite._build_info as build\n"
        "build.TORCH_VERSION = '2.99.0'\n"
        "from torch_xpu_lite.cli import main\n"
        "sys.exit(main(['doctor']))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert result.returncode == 1, result.stderr
    assert "built for torch 2.99" in result.stdout and "do: " in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [[], ["dance"]])
def test_usage(arguments):
    result = command(*arguments)
    assert result.returncode == 2 and "usage: xpu-lite" in result.stderr


def test_help():
    result = command("--help")
    assert result.returncode == 0 and "doctor" in result.stdout
