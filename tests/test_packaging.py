"""A wheel can be built, carries what it must, and works in a second environment."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def clean_environment():
    env = {name: value for name, value in os.environ.items() if not name.startswith("XPU_LITE_")}
    env.pop("PYTHONPATH", None)
    env.pop("TORCH_DEVICE_BACKEND_AUTOLOAD", None)
    return env


def run(command, **options):
    result = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built in the same folder as the installed package, so that little is compiled."""
    pytest.importorskip("scikit_build_core")
    folder = tmp_path_factory.mktemp("dist")
    env = clean_environment()
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    run([sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", folder,
         ROOT], env=env)
    found = list(folder.glob("torch_xpu_lite-*.whl"))
    assert len(found) == 1
    return found[0]


def test_wheel_carries_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
        entries = archive.read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    module = f"torch_xpu_lite/_C{sysconfig.get_config_var('EXT_SUFFIX')}"
    assert {"torch_xpu_lite/__init__.py", "torch_xpu_lite/_build_info.py", module,
            "torch_xpu_lite/lib/libxpu_lite.so",
            "torch_xpu_lite/lib/libxpu_lite_torch.so"} <= names
    outside = [n for n in names if not n.startswith(("torch_xpu_lite/", "torch_xpu_lite-"))]
    assert not outside and not [n for n in names if "__pycache__" in n]
    assert "Requires-Dist: torch==2.13.*" in metadata
    assert "[torch.backends]" in entries and "xpu-lite = torch_xpu_lite.cli:main" in entries


def test_wheel_works_in_a_second_environment(wheel, tmp_path):
    second = tmp_path / "second"
    run([sys.executable, "-m", "venv", "--without-pip", second])
    site = Path(run([second / "bin/python", "-c",
                     "import sysconfig; print(sysconfig.get_paths()['purelib'])"]))
    # torch and its dependencies are linked in, not downloaded again; xpu-lite is not.
    own = ("torch_xpu_lite", "torch-xpu-lite", "_torch_xpu_lite", "__pycache__")
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith(own) and not entry.suffix == ".pth":
            (site / entry.name).symlink_to(entry)
    run([sys.executable, "-m", "pip", "--python", second / "bin/python", "install", "--no-deps",
         "--no-index", wheel])
    code = ("import torch, torch_xpu_lite; t = torch.arange(4.0, device='xpu_lite') * 2; "
            "print(torch_xpu_lite.__file__, t.sum().item(), t.device)")
    where, total, device = run([second / "bin/python", "-c", code], cwd=tmp_path,
                               env=clean_environment()).split()
    assert where.startswith(str(second)) and total == "12.0" and device == "xpu_lite:0"
    assert "xpu_lite:0" in run([second / "bin/xpu-lite", "info"], cwd=tmp_path,
                               env=clean_environment())


def test_libraries_name_no_folder_of_the_build(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                path = Path(archive.extract(name, tmp_path))
                dynamic = run(["readelf", "-d", path])
                paths = [line for line in dynamic.splitlines()
                         if "RUNPATH" in line or "RPATH" in line]
                assert paths and all("$ORIGIN" in line for line in paths), name
                assert str(ROOT) not in "".join(paths), name
