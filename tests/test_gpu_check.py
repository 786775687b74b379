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


COMPILER = '''
import os, re, sys, time
verdicts = []
for i, line in enumerate(open(sys.argv[2])):
    kind = open(re.search(r"-file (\\S+)", line).group(1)).read()
    print(f"Command number {i + 1}: ", flush=True)
    if kind == "crash":
        os.abort()
    if kind == "hang":
        time.sleep(60)
    if kind == "spill":
        print("warning: in kernel 'k': compiled SIMD32 allocated 128 regs and spilled around 7")
    if kind not in ("wrong", "nothing"):
        open(f"build_no_{i + 1}_bmg.bin", "w").write("code")
    if kind == "wrong":
        print("error: unsupported thing")
    print("Build failed." if kind == "wrong" else "Build succeeded.")
    verdicts.append("failed" if kind == "wrong" else "successful")
for i, verdict in enumerate(verdicts):
    print(f"Build command {i}: {verdict}")
'''


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A stand-in for ocloc, which does what a module's text says."""
    monkeypatch.setattr(gpu_check, "WORK", tmp_path)
    (tmp_path / "spv").mkdir()
    script = tmp_path / "ocloc.py"
    script.write_text(COMPILER)

    def build(*kinds):
        modules = []
        for i, kind in enumerate(kinds):
            module = gpu_check.Module(f"{kind}_{i}", "archive", 0, kind.encode())
            module.key, module.path = f"{kind}_{i}", tmp_path / "spv" / f"{kind}_{i}.spv"
            module.path.write_bytes(module.data)
            modules.append(module)
        return gpu_check.build([sys.executable, str(script)], "bmg", modules)

    return build


def test_a_module_that_does_not_compile_fails_alone(compiler):
    results = compiler("good", "wrong", "spill", "nothing")
    assert {k: r["ok"] for k, r in results.items()} == {
        "good_0": True, "wrong_1": False, "spill_2": True, "nothing_3": False}
    assert "unsupported thing" in results["wrong_1"]["log"]
    assert [r["spill"] for r in results.values()] == [0, 0, 7, 0]


def test_a_crash_of_the_compiler_is_laid_to_its_module(compiler):
    results = compiler("good", "crash", "spill")
    assert {k: r["ok"] for k, r in results.items()} == {
        "good_0": True, "crash_1": False, "spill_2": True}
    assert "status -6" in results["crash_1"]["log"]


def test_a_compiler_that_hangs_is_stopped(compiler, monkeypatch):
    monkeypatch.setattr(gpu_check, "LIMIT", 2)
    results = compiler("good", "hang")
    assert {k: r["ok"] for k, r in results.items()} == {"good_0": True, "hang_1": False}
    assert "not done in 2 s" in results["hang_1"]["log"]
