"""Training across hosts: two network namespaces joined by a virtual cable, with torchrun
on each, as on two machines."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import pytest
from hosts import TwoHosts
from hosts_program import train_alone
from process import check

PROGRAM = str(pathlib.Path(__file__).with_name("hosts_program.py"))


@pytest.fixture(scope="module")
def oneccl_missing():
    """Why oneCCL cannot be used; asked in a process of its own, for it loads it."""
    return check("""
        import torch.distributed as dist
        try:
            dist.init_process_group("xpulite", store=dist.HashStore(), rank=0, world_size=1)
        except RuntimeError as error:
            print(error)
        """, XPU_LITE_CCL_TRANSPORT="oneccl")


@pytest.fixture(scope="module")
def alone():
    return train_alone()


def torchrun(hosts, folder, steps):
    """Two ranks on each host, started as one would on two machines."""
    port = str(hosts.free_port())
    return [
        hosts.start(
            host,
            [sys.executable, "-m", "torch.distributed.run", "--nnodes=2",
             f"--node-rank={host}", "--nproc-per-node=2",
             f"--master-addr={hosts.address[0]}", f"--master-port={port}",
             PROGRAM, str(folder), *steps],
            OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME=f"xl{host}",
        )
        for host in range(2)
    ]


def results(programs, folder, size, timeout):
    """What the ranks wrote, by rank."""
    end = time.monotonic() + timeout
    outputs = []
    for program in programs:
        try:
            outputs.append(program.communicate(timeout=max(1, end - time.monotonic()))[0])
        except subprocess.TimeoutExpired:
            pytest.fail(f"not done in {timeout} s: {program.args}")
    for program, output in zip(programs, outputs):
        assert program.returncode == 0, output
    return [json.loads((folder / f"result{rank}.json").read_text()) for rank in range(size)]


def test_training_across_hosts(tmp_path, alone, oneccl_missing):
    """Two ranks on each of two hosts: oneCCL's TCP, and gloo, show the losses of one
    process."""
    fast = "gloo" if oneccl_missing else "oneccl"
    steps = ["train:auto", "collectives:auto", "train:gloo"]
    with TwoHosts() as hosts:
        for result in results(torchrun(hosts, tmp_path, steps), tmp_path, 4, 300):
            assert result["train:auto"][0] == f"shm+{fast}"
            assert result["collectives:auto"][0] == f"shm+{fast}"
            assert result["train:gloo"][0] == "gloo"
            for step in ("train:auto", "train:gloo"):
                assert result[step][1] == pytest.approx(alone, rel=1e-3, abs=1e-4), step
    assert alone[-1] < 0.5 * alone[0]
    if oneccl_missing:
        pytest.skip(f"trained over gloo only: oneCCL: {oneccl_missing}")


def test_a_cable_that_is_pulled(tmp_path, oneccl_missing):
    """Both hosts notice that the other is gone: an error, not a hang."""
    if oneccl_missing:
        pytest.skip(f"oneCCL: {oneccl_missing}")
    with TwoHosts() as hosts:
        # Without torchrun: its agents would wait for each other.
        port = str(hosts.free_port())
        programs = [
            hosts.start(rank, [sys.executable, PROGRAM, str(tmp_path), "wait:auto"],
                        RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR=hosts.address[0],
                        MASTER_PORT=port, OMP_NUM_THREADS="1")
            for rank in range(2)
        ]
        end = time.monotonic() + 60
        while not (tmp_path / "running1").exists() and time.monotonic() < end:
            time.sleep(0.05)
        hosts.unplug()
        for rank, result in enumerate(results(programs, tmp_path, 2, 120)):
            name, error = result["wait:auto"]
            assert name == "oneccl"
            assert f"rank {1 - rank}" in error, error


@pytest.mark.parametrize("transport", ["ofi", "mpi"])
def test_under_mpirun(tmp_path, transport, oneccl_missing):
    """mpirun starts the ranks; oneCCL uses libfabric, or the MPI library."""
    if oneccl_missing:
        pytest.skip(f"oneCCL: {oneccl_missing}")
    folder = str(pathlib.Path(sys.executable).parent)
    mpirun = shutil.which("mpirun", path=folder)
    if not mpirun:
        pytest.skip("the environment has no mpirun (pip install impi-rt)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "CCL_ATL_TRANSPORT": transport, "OMP_NUM_THREADS": "1",
        "PATH": folder + os.pathsep + os.environ.get("PATH", ""),
    }
    program = [sys.executable, PROGRAM, str(tmp_path), "collectives:oneccl"]
    done = subprocess.run([mpirun, "-n", "2", *program], env=environment, timeout=200,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for rank in range(2):
        result = json.loads((tmp_path / f"result{rank}.json").read_text())
        assert result["collectives:oneccl"] == ["oneccl", transport == "mpi"]
