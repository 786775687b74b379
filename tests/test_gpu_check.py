"""What the package's kernels ask of a device, and tools/gpu_check.py, which compiles
them for GPUs that are not here."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import gpu_check  # noqa: E402
import gpu_tools  # noqa: E402

FOLDER = Path(importlib.util.find_spec("torch_xpu_lite._build_info").origin).parent / "kernels"
ARCHIVES = sorted(FOLDER.glob("*.xk"))

pytestmark = pytest.mark.skipif(not ARCHIVES, reason="built without the SYCL engine")


@pytest.fixture(scope="module")
def modules():
    return [module for archive in ARCHIVES for module in gpu_check.read_archive(archive)]


def test_every_source_has_an_archive():
    sources = {path.stem for path in (ROOT / "backend/xpu/kernels").glob("*.cpp")}
    assert {path.stem for path in ARCHIVES} >= sources


def test_names_are_unique(modules):
    names = [module.name for module in modules]
    assert len(set(names)) == len(names) > 500


def test_no_kernel_needs_more_than_its_name_says(modules):
    """A GPU without float64 must run all that is not for float64."""
    wrong = [f"{m.name}: {text}" for m in modules if (text := gpu_check.wrong_needs(m))]
    assert wrong == []


def test_the_needs_are_those_of_the_module(modules):
    """The archive's note of a capability agrees with the SPIR-V."""
    for module in modules:
        words = [int.from_bytes(module.data[i : i + 4], "little") for i in range(20, 600, 4)]
        i, found = 0, 0
        while i < len(words) and words[i] & 0xFFFF == 17:  # OpCapability
            found |= {10: gpu_check.FP64, 9: gpu_check.FP16}.get(words[i + 1], 0)
            i += words[i] >> 16
        assert module.needs & (gpu_check.FP64 | gpu_check.FP16) == found, module.name


def test_a_sample_is_taken_from_all_archives(modules):
    sample = gpu_check.pick(modules, len(ARCHIVES))
    assert {m.archive for m in sample} == {m.archive for m in modules}
    assert gpu_check.pick(modules, 7) == gpu_check.pick(list(reversed(modules)), 7)


def test_some_kernels_compile_for_gpus(tmp_path):
    try:
        gpu_tools.find()
    except gpu_tools.Unavailable as reason:
        pytest.skip(str(reason))
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools/gpu_check.py"), "--kernels", str(FOLDER), "--sample", "6",
         "--devices", "bmg,dg2"], capture_output=True, text=True, timeout=600, env=os.environ)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "spirv-val: 6 of 6 valid" in result.stdout and "gpu-check: PASSED" in result.stdout
    assert "bmg (Arc B-Series (Battlemage)): 6 of 6 build" in result.stdout


def test_broken_modules_are_found(tmp_path):
    """A module that no driver would take makes the check fail."""
    try:
        gpu_tools.find()
    except gpu_tools.Unavailable as reason:
        pytest.skip(str(reason))
    archive = min(ARCHIVES, key=lambda path: len(gpu_check.read_archive(path)))
    module, data = gpu_check.read_archive(archive)[0], bytearray(archive.read_bytes())
    end = data.index(module.data) + len(module.data)
    data[end - 4 : end] = b"\0\0\1\0"  # its last function loses its end
    (tmp_path / "broken.xk").write_bytes(data)
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools/gpu_check.py"), "--kernels", str(tmp_path), "--devices",
         "bmg"], capture_output=True, text=True, timeout=600)
    assert result.returncode == 1 and "FAILED spirv-val" in result.stdout, result.stdout
