"""Kernels built for a device are kept on disk, and nothing there is trusted.

The cache itself is tested in cpp/test_binary_cache.cpp; here it is the whole way: a
process computes the right result whatever it finds, and says what it did. Run with
XPU_LITE_DEVICES naming a SYCL device, as opencl:cpu.
"""

import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import process
import pytest
from engine import sycl_only

pytestmark = sycl_only()

# Prints the kernels taken from the disk and those built.
PROGRAM = """
import torch
from torch_xpu_lite import sycl
y = torch.ones(4, device="xpu_lite") + 1
assert y.tolist() == [2.0] * 4, y
_, loaded, built = sycl.kernel_counts()
print(loaded, built)
"""


def counts(**environment):
    """(loaded, built) of a process, and what it wrote on stderr."""
    result = process.run(PROGRAM, **environment)
    assert result.returncode == 0, result.stderr
    loaded, built = map(int, result.stdout.split())
    return loaded, built, result.stderr


@pytest.fixture
def cache(tmp_path):
    """A folder that a process has filled."""
    folder = tmp_path / "cache"
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(folder))
    assert loaded == 0 and built > 0
    return folder


def test_a_second_process_builds_nothing(cache):
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded > 0 and built == 0
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    entries = list(cache.iterdir())
    assert len(entries) == loaded
    assert all(stat.S_IMODE(entry.stat().st_mode) == 0o600 for entry in entries)


def test_first_use_builds_and_loads_only_what_it_needs(tmp_path):
    """One kernel for each operator, and no oneDNN."""
    code = """
    import torch
    from torch_xpu_lite import sycl
    y = torch.ones(4, device="xpu_lite") + 1
    assert y.tolist() == [2.0] * 4
    assert sycl.kernel_counts()[1:] == (0, 2), sycl.kernel_counts()
    assert "libdnnl" not in open("/proc/self/maps").read()
    """
    process.check(code, XPU_LITE_CACHE_DIR=str(tmp_path))


def test_damaged_entries_are_built_again(cache):
    before = {entry.name for entry in cache.iterdir()}
    for number, entry in enumerate(sorted(cache.iterdir())):
        data = bytearray(entry.read_bytes())
        if number % 2:
            data = data[: len(data) // 2]
        else:
            data[len(data) // 2] ^= 0xFF
        entry.write_bytes(data)
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded == 0 and built == len(before)
    assert {entry.name for entry in cache.iterdir()} == before
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded == len(before) and built == 0  # they were written again


def test_a_binary_that_the_driver_refuses_is_built_again(cache):
    """An entry with a right checksum around what is no program for this device."""
    entries = sorted(cache.iterdir())
    code = """
import sys, struct
from pathlib import Path
MASK = (1 << 64) - 1
def checksum(data, seed=0xcbf29ce484222325):
    h = seed ^ len(data)
    for i in range(0, len(data), 8):
        h = ((h ^ int.from_bytes(data[i:i+8], "little")) * 0x100000001b3) & MASK
        h ^= h >> 32
    return h
for path in map(Path, sys.argv[1:]):
    data = path.read_bytes()
    magic, key, size, _ = struct.unpack_from("<8sQQQ", data)
    body = b"no program " * 50
    assert checksum(data[32 + key:]) == _
    path.write_bytes(struct.pack("<8sQQQ", magic, key, len(body), checksum(body))
                     + data[32:32 + key] + body)
"""
    subprocess.run([sys.executable, "-c", code, *map(str, entries)], check=True,
                   env={**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"})
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded == 0 and built == len(entries)


def test_a_folder_that_others_may_write_is_not_used(cache):
    cache.chmod(0o777)
    before = {entry: entry.stat().st_mtime_ns for entry in cache.iterdir()}
    loaded, built, said = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded == 0 and built > 0
    assert said.count("warning") == 1 and str(cache) in said and "chmod 700" in said
    assert {entry: entry.stat().st_mtime_ns for entry in cache.iterdir()} == before


def test_links(cache, tmp_path):
    """A folder may be a link to one that can be trusted; an entry may not."""
    (tmp_path / "link").symlink_to(cache)
    loaded, built, said = counts(XPU_LITE_CACHE_DIR=str(tmp_path / "link"))
    assert loaded > 0 and built == 0 and "warning" not in said
    for entry in list(cache.iterdir()):
        entry.rename(tmp_path / entry.name)
        entry.symlink_to(tmp_path / entry.name)
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded == 0 and built > 0
    assert not any(entry.is_symlink() for entry in cache.iterdir())
    (tmp_path / "nowhere").symlink_to(tmp_path / "not there")
    loaded, built, said = counts(XPU_LITE_CACHE_DIR=str(tmp_path / "nowhere"))
    assert loaded == 0 and built > 0 and said.count("warning") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_another_user(cache):
    os.chown(cache, 65534, 65534)
    loaded, built, said = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded == 0 and built > 0
    assert said.count("warning") == 1 and "belongs to another user" in said


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    loaded, built, said = counts(XPU_LITE_CACHE_DIR=str(tmp_path / "file" / "cache"))
    assert loaded == 0 and built > 0 and said.count("warning") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into any folder")
def test_a_folder_that_may_not_be_written(cache):
    cache.chmod(0o500)
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(cache))
    assert loaded > 0 and built == 0  # it can still be read


def test_a_full_disk(tmp_path):
    """No file of more than 64 bytes can be written: as on a disk without space."""
    code = ("import resource\nlimit = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
            "import torch\nx = torch.ones(1, device='xpu_lite')\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (64, limit[1]))\n" + PROGRAM.lstrip())
    result = process.run(code, XPU_LITE_CACHE_DIR=str(tmp_path / "cache"))
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[1]) > 0
    assert result.stderr.count("could not be kept") == 1
    assert not [entry for entry in (tmp_path / "cache").iterdir() if entry.suffix == ".tmp"]


def test_two_processes_at_once(tmp_path):
    folder = tmp_path / "cache"
    environment = {**os.environ, "XPU_LITE_CACHE_DIR": str(folder)}
    running = [subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for one in running:
        _, said = one.communicate(timeout=240)
        assert one.returncode == 0, said
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(folder))
    assert loaded > 0 and built == 0
    assert len(list(folder.iterdir())) == loaded


def test_without_a_cache(tmp_path):
    loaded, built, said = counts(XPU_LITE_CACHE_DIR=str(tmp_path / "cache"), XPU_LITE_CACHE_SIZE="0")
    assert loaded == 0 and built > 0 and "warning" not in said
    assert not (tmp_path / "cache").exists()
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=str(tmp_path / "cache"),
                              XPU_LITE_NATIVE_PROGRAMS="0")
    assert loaded == 0 and built > 0


def test_the_default_folder(tmp_path):
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=None, XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert built > 0 and list((tmp_path / "xdg" / "xpu_lite").iterdir())
    loaded, built, _ = counts(XPU_LITE_CACHE_DIR=None, XDG_CACHE_HOME=None, HOME=str(tmp_path))
    assert built > 0 and list((tmp_path / ".cache" / "xpu_lite").iterdir())


def test_a_device_without_float64():
    """It says so, names the device, and what to do; float32 still works."""
    code = """
    import torch
    x = torch.ones(4, device="xpu_lite")
    assert (x + 1).tolist() == [2.0] * 4
    try:
        y = torch.ones(4, dtype=torch.float64, device="xpu_lite") + 1
    except RuntimeError as error:
        text = str(error)
        assert "float64" in text and "float32" in text and "device 0" in text, text
    else:
        raise AssertionError("no error")
    """
    process.check(code, XPU_LITE_WITHOUT="fp64")


FIRST_ERROR = """
import torch
try:
    torch.ones(4, device="xpu_lite") + 1
except RuntimeError as error:
    print(error)
else:
    raise AssertionError("no error")
"""


def shipped():
    from torch_xpu_lite import _C

    return sorted((Path(_C.__file__).parent / "kernels").glob("*.xk"))


def test_a_shortened_archive_is_an_error(tmp_path):
    (tmp_path / "broken.xk").write_bytes(shipped()[0].read_bytes()[:-8])
    said = process.check(FIRST_ERROR, XPU_LITE_KERNEL_DIR=str(tmp_path))
    assert "install the package again" in said and str(tmp_path) in said


def test_a_missing_archive_is_an_error(tmp_path):
    said = process.check(FIRST_ERROR, XPU_LITE_KERNEL_DIR=str(tmp_path))
    assert "no kernel is named" in said and str(tmp_path) in said


def test_damaged_kernels_never_reach_the_driver(tmp_path):
    """One byte in each module is another."""
    for path in shipped():
        data = bytearray(path.read_bytes())
        (count,) = struct.unpack_from("<I", data, 12)
        for i in range(count):
            offset, size = struct.unpack_from("<QQ", data, 24 + 40 * i)
            data[offset + size // 2] ^= 1
        (tmp_path / path.name).write_bytes(data)
    said = process.check(FIRST_ERROR, XPU_LITE_KERNEL_DIR=str(tmp_path))
    assert "is damaged; install the package again" in said
