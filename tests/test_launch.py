"""Starting several processes: torchrun, `xpu-lite launch`, restarts after a killed rank."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine import several
from torch_xpu_lite import launch

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
LAUNCH = [sys.executable, "-m", "torch_xpu_lite", "launch"]

# Prints of each rank what the launcher gave it, after a collective.
REPORT = """
import json, os, sys
import torch, torch.distributed as dist

local = int(os.environ["LOCAL_RANK"])
device = torch.device("xpu_lite", local % torch.accelerator.device_count())
torch.accelerator.set_device_index(device.index)
dist.init_process_group("xpulite")
x = torch.full((5,), dist.get_rank() + 1.0, device=device)
dist.all_reduce(x)
found = {"rank": dist.get_rank(), "size": dist.get_world_size(), "sum": x[0].item(),
         "device": str(x.device), "threads": torch.get_num_threads(),
         "omp": os.environ["OMP_NUM_THREADS"],
         "cores": sorted(os.sched_getaffinity(0)), "arguments": sys.argv[1:]}
dist.destroy_process_group()
with open(os.path.join(os.environ["REPORT_TO"], str(found["rank"])), "w") as file:
    json.dump(found, file)
"""

# Trains; in its first life rank 1 kills itself in the middle, with a collective under way.
RESTART = """
import os, signal, sys
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP

folder = sys.argv[1]
life = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
dist.init_process_group("xpulite")
rank = dist.get_rank()
torch.manual_seed(0)
network = torch.nn.Linear(8, 1).to("xpu_lite")
model = DDP(network)
optimizer = torch.optim.SGD(network.parameters(), 0.05)
path, first = os.path.join(folder, "state.pt"), 0
if os.path.exists(path):
    state = torch.load(path, map_location="xpu_lite")
    network.load_state_dict(state["model"])
    first = state["step"]
print(f"life {life} rank {rank} starts at step {first}", flush=True)
for step in range(first, 12):
    x = torch.randn(8, 8, generator=torch.Generator().manual_seed(step * 2 + rank))
    x = x.to("xpu_lite")
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    if life == 0 and rank == 1 and step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    loss.backward()
    optimizer.step()
    if rank == 0:
        torch.save({"model": network.state_dict(), "step": step + 1}, path + ".partial")
        os.replace(path + ".partial", path)
torch.save(network.state_dict(), os.path.join(folder, f"end{rank}.pt"))
dist.destroy_process_group()
"""


def start(command, timeout=240, **environment):
    """Runs a launcher; kills it with all its ranks when it takes too long."""
    env = {name: value for name, value in os.environ.items()
           if name not in ("OMP_NUM_THREADS", "XPU_LITE_DEVICES")}
    process = subprocess.Popen(list(map(str, command)), env={**env, **environment}, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        # torchrun gives its workers sessions of their own, and passes a SIGTERM on.
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        raise AssertionError(f"did not end\n{out[-3000:]}\n{err[-6000:]}") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def report(tmp_path, command, size, arguments=(), **environment):
    """What the ranks of REPORT found, in order."""
    program = tmp_path / "report.py"
    program.write_text(REPORT)
    result = start([*command, program, *arguments], REPORT_TO=str(tmp_path), **environment)
    assert result.returncode == 0, result.stderr[-6000:]
    found = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(size)]
    for rank, one in enumerate(found):
        assert one["rank"] == rank and one["size"] == size
        assert one["sum"] == size * (size + 1) / 2
        assert one["arguments"] == list(arguments)
    return found, result.stderr


def segments():
    """Shared memory of this user that has a name."""
    return {name for name in os.listdir("/dev/shm") if "xpu" in name.lower()}


def test_torchrun_starts_a_rank_for_each_device(tmp_path):
    found, _ = report(tmp_path, [*TORCHRUN, "--nproc-per-node=xpu_lite"], 2,
                      XPU_LITE_DEVICES=several(2))
    assert [one["device"] for one in found] == ["xpu_lite:0", "xpu_lite:1"]


def test_launch_gives_ranks_their_shares(tmp_path):
    found, said = report(tmp_path, [*LAUNCH, "-n", 2], 2, arguments=["--epochs", "3", "-n", "7"])
    usable = launch.physical_cores(os.sched_getaffinity(0))
    share = max(1, len(usable) // 2)
    for one in found:
        assert one["threads"] == share
        assert f"local rank {one['rank']}: cores {launch.show_cores(one['cores'])}\n" in said
    if len(usable) > 1:
        assert not set(found[0]["cores"]) & set(found[1]["cores"])
    assert "2 ranks on this machine" in said and "OMP_NUM_THREADS" not in said


def test_launch_as_asked(tmp_path):
    core = min(os.sched_getaffinity(0))
    found, said = report(
        tmp_path, [*LAUNCH, "--threads", 3, "--cores", core, "--log-dir", tmp_path / "logs"], 2,
        XPU_LITE_DEVICES=several(2), OMP_NUM_THREADS="5")
    assert [one["omp"] for one in found] == ["3", "3"]
    assert [one["device"] for one in found] == ["xpu_lite:0", "xpu_lite:1"]
    assert f"XPU_LITE_DEVICES={several(2)} shares out the cores itself" in said
    assert list((tmp_path / "logs").rglob("stdout.log"))


def test_launch_of_a_module_and_its_exit_status(tmp_path):
    (tmp_path / "fails.py").write_text(
        "import os, sys, time\n"
        "if os.environ['RANK'] == '0':\n"
        "    time.sleep(60)\n"
        "sys.exit(7)\n")
    begin = time.monotonic()
    result = start([*LAUNCH, "-n", 2, "-m", "fails"], PYTHONPATH=str(tmp_path))
    assert result.returncode == 7, result.stderr
    assert "exitcode  : 7" in result.stderr and "Traceback" not in result.stderr
    assert time.monotonic() - begin < 60  # the other rank was ended


def test_training_goes_on_after_a_killed_rank(tmp_path):
    import torch

    program = tmp_path / "restart.py"
    program.write_text(RESTART)
    before = segments()
    result = start([*TORCHRUN, "--standalone", "--nproc-per-node=2", "--max-restarts=2", program,
                    tmp_path])
    assert result.returncode == 0, result.stderr[-6000:]
    assert "life 0 rank 1 starts at step 0" in result.stdout
    assert "life 1 rank 1 starts at step 5" in result.stdout, result.stdout
    assert "life 2" not in result.stdout
    ends = [torch.load(tmp_path / f"end{rank}.pt", map_location="cpu") for rank in range(2)]
    # What one process would have learned in twelve undisturbed steps.
    torch.manual_seed(0)
    alone = torch.nn.Linear(8, 1)
    optimizer = torch.optim.SGD(alone.parameters(), 0.05)
    for step in range(12):
        x = torch.cat([torch.randn(8, 8, generator=torch.Generator().manual_seed(step * 2 + r))
                       for r in range(2)])
        optimizer.zero_grad()
        (alone(x) - x.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()
    for end in ends:
        torch.testing.assert_close(end["weight"], alone.weight.detach(), rtol=1e-4, atol=1e-5)
    assert segments() <= before


@pytest.mark.parametrize("arguments, says", [
    (["-n", "0", "x.py"], "--ranks 0"),
    (["-n", "many", "x.py"], "--ranks many"),
    (["-n", "2", "missing.py"], "there is no file missing.py"),
    (["-n", "2", "--cores", "a-b", __file__], "is not a list of cores"),
    (["-n", "2", "--cores", "100000", __file__], "this process may not use 100000"),
    (["-n", "2", "--cores-per-rank", "100000", __file__], "needs 200000 physical cores"),
    (["-n", "2", "--nodes", "2", __file__], "--master"),
    (["-n", "2", "--nodes", "2", "--master", "host0", __file__], "--node-rank"),
    (["-n", "2", "--nodes", "2", "--master", "host0:x", "--node-rank", "0", __file__],
     "--master host0:x"),
    (["-n", "2", "--nodes", "2", "--master", "host0", "--node-rank", "2", __file__],
     "--node-rank 2"),
    (["-n", "2", "--node-rank", "1", __file__], "there is one node"),
    (["-n", "2", "--threads", "0", __file__], "--threads"),
])
def test_launch_refuses(arguments, says, capsys):
    parser = argparse.ArgumentParser(prog="xpu-lite launch")
    launch.add_arguments(parser)
    with pytest.raises(SystemExit) as ended:
        launch.run(parser.parse_args(arguments), parser)
    assert ended.value.code == 2 and says in capsys.readouterr().err


def decided(arguments, cpus, environment=None):
    parser = argparse.ArgumentParser()
    launch.add_arguments(parser)
    return launch.plan(parser.parse_args([*arguments, "x.py"]), lambda: 3, environment or {},
                       set(cpus))


@pytest.fixture
def no_threads(monkeypatch):
    """Processors that are each a core."""
    monkeypatch.setattr(launch, "physical_cores", lambda cpus: [[cpu] for cpu in sorted(cpus)])


def test_plan_shares_out_the_cores(no_threads):
    plan = decided(["-n", "2"], range(8))
    assert plan.shares == [[0, 1, 2, 3], [4, 5, 6, 7]] and plan.threads == 4 and not plan.notes
    plan = decided(["-n", "2"], range(7))
    assert plan.shares == [[0, 1, 2], [3, 4, 5]] and "1 of 7 cores stay idle" in plan.notes[0]
    plan = decided(["-n", "3", "--cores-per-rank", "2", "--cores", "1-6,9"], range(10))
    assert plan.shares == [[1, 2], [3, 4], [5, 6]] and plan.threads == 2
    plan = decided(["-n", "3"], [4, 5])
    assert plan.shares == [[4], [5], [4]] and "share 2 cores" in plan.notes[0]
    assert decided([], range(6)).ranks == 3  # one for each device
    assert decided(["-n", "2", "--no-bind"], range(4)).shares == [[], []]
    assert decided(["-n", "2"], range(4), {"OMP_NUM_THREADS": "9"}).threads == 9
    assert decided(["-n", "2"], range(4), {"XPU_LITE_DEVICES": "host:2"}).shares == [[], []]
    assert decided(["-n", "2"], range(4), {"XPU_LITE_DEVICES": "host:1"}).shares[1] == [2, 3]
    assert decided(["-n", "2"], range(4), {"XPU_LITE_DEVICES": "opencl:cpu"}).shares[1] == [2, 3]
    assert decided(["-n", "2"], range(4), {"XPU_LITE_DEVICES": "opencl:cpu:2"}).shares[1] == []


def test_plan_keeps_the_threads_of_a_core_together(tmp_path):
    for cpu in range(8):  # cpu and cpu + 4 are threads of one core; two sockets
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{cpu % 4 // 2}\n")
        (topology / "core_id").write_text(f"{cpu % 2}\n")
    cores = launch.physical_cores(range(8), tmp_path)
    assert cores == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert launch.share(cores, 2) == [[[0, 4], [1, 5]], [[2, 6], [3, 7]]]
    assert launch.physical_cores([0, 9], tmp_path) == [[0], [9]]  # 9 is described nowhere


def test_plan_of_several_nodes():
    plan = decided(["-n", "1", "--nodes", "2", "--master", "host0", "--node-rank", "1"], [0])
    assert plan.rendezvous == ["--rdzv-backend=static", "--node-rank=1", "--master-addr=host0",
                               "--master-port=29500"]
    plan = decided(["-n", "1", "--nodes", "2", "--master", "[::1]:77", "--node-rank", "0",
                    "--max-restarts", "3"], [0])
    assert "--rdzv-endpoint=[::1]:77" in plan.rendezvous
    assert "--rdzv-conf=is_host=1" in plan.rendezvous


@pytest.mark.parametrize("text, cores", [("0-3,8", [0, 1, 2, 3, 8]), ("5", [5]),
                                         ("2,1,2", [1, 2])])
def test_lists_of_cores(text, cores):
    assert launch.parse_cores(text) == cores
    assert launch.parse_cores(launch.show_cores(cores)) == cores


def train_in(folder, *command):
    """The losses of examples/train.py, unchanged, under a command."""
    result = start([*command, EXAMPLES / "train.py", "--device", "xpu_lite", "--epochs", 2,
                    "--target", 0.3, "--out", folder], timeout=400)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert result.stdout.count("PASSED") == 1  # one rank speaks
    return folder


@pytest.fixture(scope="module")
def trained_alone(tmp_path_factory):
    return train_in(tmp_path_factory.mktemp("alone"), sys.executable)


@pytest.mark.parametrize("ranks", [2, 4])
def test_example_trains_as_in_one_process(trained_alone, tmp_path, ranks):
    train_in(tmp_path, *TORCHRUN, "--standalone", f"--nproc-per-node={ranks}")
    compare = [sys.executable, EXAMPLES / "compare.py", trained_alone, tmp_path]
    result = start([*compare, "--tolerance", "0.005"])
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("epoch ") == 2
    assert start([*compare, "--tolerance", "0"]).returncode == 1
