"""xpu-lite launch: independent instances, NUMA nodes, preloaded libraries."""

import argparse
import os
import subprocess
import sys

import pytest

from torch_xpu_lite import _instances, _preload, launch
from torch_xpu_lite.runtime import cpu_pool

PROGRAM = """
import os, sys
print("cores", sorted(os.sched_getaffinity(0)), "threads", os.environ.get("OMP_NUM_THREADS"),
      "number", os.environ["INSTANCE_INDEX"], "rank", os.environ.get("LOCAL_RANK"))
sys.exit(int(sys.argv[1]) * int(os.environ["INSTANCE_INDEX"]))
"""


def decided(arguments, cpus, environment=None):
    parser = argparse.ArgumentParser()
    launch.add_arguments(parser)
    return launch.plan(parser.parse_args([*arguments, "x.py"]), lambda: 1, environment or {},
                       set(cpus))


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    return str(tmp_path / "program.py")


def test_instances_have_their_cores_and_their_own_end(program, tmp_path, capfd):
    cores = sorted(os.sched_getaffinity(0))
    shares = [cores[:1], cores[-1:]]
    command = [sys.executable, program]
    assert _instances.start([*command, "0"], shares, str(tmp_path / "logs")) == 0
    out = capfd.readouterr().out
    for number in (0, 1):
        line = (tmp_path / "logs" / f"instance_{number}.log").read_text()
        assert f"cores {shares[number]}" in line and f"number {number} rank None" in line
        assert f"[{number}] {line}" in out
    assert _instances.start([*command, "3"], shares) == 3
    assert "instance 1 ended with status 3" in capfd.readouterr().err


def test_the_command(program):
    result = subprocess.run(
        [sys.executable, "-m", "torch_xpu_lite", "launch", "--instances", "2", "--threads", "1",
         program, "0"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "2 instances on this machine, 1 thread each" in result.stderr
    assert "[0] cores" in result.stdout and "[1] cores" in result.stdout
    assert "threads 1" in result.stdout


@pytest.mark.parametrize("arguments", [["-n", "2"], ["--max-restarts", "1"],
                                       ["--nodes", "2", "--master", "a"]])
def test_instances_are_no_ranks(arguments):
    with pytest.raises(ValueError, match="--instances starts independent programs"):
        decided(["--instances", "2", *arguments], range(4))


def test_numa_nodes(monkeypatch):
    nodes = {0: [0, 1, 2, 3], 1: [4, 5, 6, 7]}
    monkeypatch.setattr(cpu_pool, "get_core_list_of_node_id", lambda node: nodes[node])
    monkeypatch.setattr(launch, "physical_cores", lambda cpus: [[cpu] for cpu in sorted(cpus)])
    assert decided(["-n", "2", "--numa-nodes", "1"], range(8)).shares == [[4, 5], [6, 7]]
    assert decided(["-n", "1", "--numa-nodes", "0-1"], range(8)).shares == [list(range(8))]
    with pytest.raises(ValueError, match="--numa-nodes 1: none of their cores is among 0-3"):
        decided(["-n", "1", "--numa-nodes", "1"], range(4))


def test_preloaded_libraries(tmp_path):
    with pytest.raises(ValueError, match="--memory-allocator jemalloc: not installed .apt-get"):
        _preload.preload("jemalloc", "default", {}, [tmp_path])
    variables, notes = _preload.preload("auto", "auto", {}, [tmp_path])
    assert not variables and len(notes) == 2 and "none of tcmalloc, jemalloc" in notes[0]
    for name in ("libjemalloc.so.2", "libiomp5.so"):
        (tmp_path / name).touch()
    variables, notes = _preload.preload("auto", "intel", {"KMP_BLOCKTIME": "7"}, [tmp_path])
    assert variables["LD_PRELOAD"] == f"{tmp_path}/libjemalloc.so.2:{tmp_path}/libiomp5.so"
    assert "MALLOC_CONF" in variables and "KMP_BLOCKTIME" not in variables
    (tmp_path / "libtcmalloc.so.4").touch()
    variables, _ = _preload.preload("auto", "default", {"LD_PRELOAD": "/x.so"}, [tmp_path])
    assert variables == {"LD_PRELOAD": f"{tmp_path}/libtcmalloc.so.4:/x.so"}
    assert _preload.preload("default", "default", {}, [tmp_path]) == ({}, [])
