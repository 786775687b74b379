"""What surviving ranks see when one is killed, does not come, or does something else.

Each is an error on every survivor, in time, that names the rank; the survivor can
destroy its group, make another one, and end normally; nothing stays in /dev/shm. The
transports' own tests (tests/cpp/ccl_faults.cpp, ccl_resources.cpp) do the same for every
collective and every kind of mistake; here the whole stands above them.
"""

import contextlib
import ctypes
import datetime
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import torch
import torch.distributed as dist

from ranks import BACKEND, Ranks

pytestmark = pytest.mark.skipif("xpulite" not in BACKEND, reason="texts of xpulite's errors")

FAR = 300.0  # timeout of groups whose errors must not need it; longer than a test's limit
LIMIT = 60.0


@pytest.fixture(scope="module")
def ranks():
    with Ranks(3, timeout=LIMIT) as ranks, ranks.patient():
        yield ranks


@pytest.fixture(autouse=True)
def nothing_stays(ranks):
    yield
    pids = {str(os.getpid())} | {str(pid) for pid in ranks.pids()}
    names = [name for name in os.listdir("/dev/shm") if name.startswith("xpu_lite")]
    # Of processes of this test, or of none that still lives; other programs may run.
    names = [n for n in names if n.split("_")[3] in pids or not _lives(n.split("_")[3])]
    assert names == []


def _lives(pid):
    return os.path.exists(f"/proc/{pid}")


def init(me, **options):
    """`me.init` with a name of its own for every test."""
    me.init(f"group of {me.folder.name}", **options)


def tensor(device, count=100):
    return torch.ones(count, device=device)


def all_reduce(device="xpu_lite", count=100, **options):
    return lambda: dist.all_reduce(tensor(device, count), **options)


def asynchronous(device="xpu_lite", count=100):
    def call():
        work = dist.all_reduce(tensor(device, count), async_op=True)
        assert isinstance(work, dist.Work)
        work.wait()
        torch.accelerator.synchronize()

    return call


def side_stream(count=100):
    def call():
        with torch.Stream("xpu_lite"):
            dist.all_reduce(tensor("xpu_lite", count))
        torch.accelerator.synchronize()

    return call


def all_gather(device="xpu_lite", count=100):
    return lambda: dist.all_gather_into_tensor(
        torch.empty(count * dist.get_world_size(), device=device), tensor(device, count))


def ring(device="xpu_lite", count=100):
    def call():
        rank, size = dist.get_rank(), dist.get_world_size()
        for request in dist.batch_isend_irecv([
            dist.P2POp(dist.isend, tensor(device, count), (rank + 1) % size),
            dist.P2POp(dist.irecv, tensor(device, count), (rank - 1) % size),
        ]):
            request.wait()

    return call


def objects():
    return lambda: dist.broadcast_object_list([{"a": dist.get_rank()}], src=1)


CALLS = {
    "all_reduce": all_reduce("cpu"),
    "large_all_reduce": all_reduce(count=1 << 22),
    "asynchronous": asynchronous(count=1 << 20),
    "side_stream": side_stream(count=1 << 20),
    "all_gather": all_gather(),
    "barrier": lambda: dist.barrier(),
    "ring": ring(),
    "large_ring": ring("cpu", count=1 << 22),
    "objects": objects(),
}


def failure(call):
    """The text of the error that repeating `call` comes to; and that it stays."""
    for _ in range(64):  # who only writes may be some calls ahead of its readers
        try:
            call()
        except dist.DistBackendError as error:
            text = str(error)
            break
    else:
        raise AssertionError("the call never failed")
    with pytest.raises(dist.DistBackendError):
        call()
    return text


def signs(me):
    """A store for what ranks tell each other beside the group."""
    return me.store(f"signs of {me.folder.name}")


def recover(me):
    """Destroys the group, and does something with those that live in another one."""
    dist.destroy_process_group()
    assert not dist.is_initialized()
    torch.accelerator.synchronize()  # no error is left in a stream
    return True


# --- A rank is killed ---------------------------------------------------------


def killed(me, name, when):
    init(me, timeout=FAR)
    call = CALLS[name]
    if when != "before":
        call()
    if me.rank == 1:
        if when == "middle":
            delay = 0.002
            threading.Thread(
                target=lambda: (time.sleep(delay), os.kill(os.getpid(), signal.SIGKILL))
            ).start()
            while True:
                call()
        os.kill(os.getpid(), signal.SIGKILL)
    text = failure(call)
    recover(me)
    # The survivors go on without it.
    dist.init_process_group(
        BACKEND, store=me.store(f"survivors of {me.folder.name}"), rank=me.rank // 2, world_size=2,
        timeout=datetime.timedelta(seconds=LIMIT),
    )
    x = tensor("xpu_lite")
    dist.all_reduce(x)
    assert x.tolist() == [2.0] * 100
    dist.destroy_process_group()
    return text


@pytest.mark.parametrize("name", CALLS)
def test_a_rank_killed_before_a_collective_is_named(ranks, name):
    check_killed(ranks.outcomes(killed, name, "before"))


@pytest.mark.parametrize("name", ["large_all_reduce", "asynchronous", "large_ring"])
def test_a_rank_killed_in_the_middle_of_a_collective_is_named(ranks, name):
    check_killed(ranks.outcomes(killed, name, "middle"))


@pytest.mark.parametrize("name", ["all_reduce", "large_all_reduce", "ring"])
def test_a_rank_killed_after_a_collective_is_named(ranks, name):
    check_killed(ranks.outcomes(killed, name, "after"))


def check_killed(outcomes):
    assert outcomes[1].died == -signal.SIGKILL, str(outcomes[1])
    for rank in (0, 2):
        assert outcomes[rank].ok, f"rank {rank}: {outcomes[rank]}"
        assert re.search(r"rank 1 \(pid \d+\) is gone", outcomes[rank].value)


# --- A rank does not come, or does something else -------------------------------


def never_calls(me, device):
    init(me, timeout=2)
    dist.all_reduce(tensor(device))
    if me.rank == 1:
        signs(me).wait(["0", "2"])
        text = failure(all_reduce(device))
    else:
        text = failure(all_reduce(device))
        signs(me).set(str(me.rank), "")
    recover(me)
    return text


@pytest.mark.parametrize("device", ["cpu", "xpu_lite"])
def test_a_rank_that_never_calls_is_named_after_the_timeout(ranks, device):
    for text in ranks.run(never_calls, device):
        assert "all_reduce #2 (sum of float32, 400 bytes)" in text
        assert "timed out: rank 1 did not arrive (rank 1 (pid " in text
        assert "its latest call is #1" in text


def never_receives(me):
    init(me, timeout=2)
    if me.rank == 1:
        signs(me).wait(["0", "2"])
        text = ""
    else:
        with pytest.raises(dist.DistBackendError) as error:
            dist.recv(tensor("xpu_lite"), src=1)
        text = str(error.value)
        signs(me).set(str(me.rank), "")
    recover(me)
    return text


def test_a_rank_that_never_sends_is_named_after_the_timeout(ranks):
    texts = ranks.run(never_receives)
    for rank in (0, 2):
        assert "rank 1" in texts[rank] and "recv" in texts[rank], texts[rank]
        assert "timed out" in texts[rank] and "400 bytes" in texts[rank], texts[rank]


def never_joins(me):
    if me.rank == 1:
        return ""
    with pytest.raises(dist.DistBackendError) as error:
        init(me, timeout=2)
    assert not dist.is_initialized()
    return str(error.value)


def test_a_rank_that_never_makes_the_group_is_named():
    # Ranks of its own: torch numbers the groups of a process, failed ones too.
    with Ranks(3, timeout=LIMIT) as ranks:
        texts = ranks.run(never_joins)
    for rank in (0, 2):
        assert "rank 1 did not come in time" in texts[rank], texts[rank]


MISTAKES = {
    "call": (all_reduce(), all_gather(), "all_reduce #1", "all_gather #1"),
    "size": (all_reduce(count=100), all_reduce(count=101), "400 bytes", "404 bytes"),
    "type": (
        all_reduce(),
        lambda: dist.all_reduce(torch.ones(100, dtype=torch.int32, device="xpu_lite")),
        "float32", "int32",
    ),
    "operator": (all_reduce(), all_reduce(op=dist.ReduceOp.MAX), "sum of", "max of"),
    "device": (all_reduce("cpu"), all_reduce("xpu_lite", count=50), "400 bytes", "200 bytes"),
}


def mistaken(me, name):
    right, wrong, *_ = MISTAKES[name]
    init(me, timeout=FAR)
    text = failure(wrong if me.rank == 1 else right)
    recover(me)
    return text


@pytest.mark.parametrize("name", MISTAKES)
def test_ranks_that_call_different_things_are_both_named(ranks, name):
    for text in ranks.run(mistaken, name):
        assert "rank 1" in text
        assert all(part in text for part in MISTAKES[name][2:]), text


def aborted(me):
    init(me, timeout=FAR)
    if me.rank == 0:
        signs(me).wait(["1", "2"])
        backend = dist.group.WORLD._get_backend(torch.device("cpu"))
        getattr(backend, "wrapped_pg", backend).abort()
    else:
        threading.Thread(
            target=lambda: (time.sleep(0.2), signs(me).set(str(me.rank), ""))
        ).start()
    text = failure(all_reduce())
    recover(me)
    return text


def test_abort_ends_the_calls_of_every_rank(ranks):
    for text in ranks.run(aborted):
        assert "abort() was called on rank 0" in text


# --- The system refuses -----------------------------------------------------------


@contextlib.contextmanager
def small_shm():
    """This process sees a /dev/shm of 64 KiB; not left again, so for one use."""
    libc = ctypes.CDLL(None, use_errno=True)
    CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 16384, 1 << 18
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        raise PermissionError("unshare")
    if libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=64k"):
        raise PermissionError("mount")
    yield
    assert os.listdir("/dev/shm") == []
    libc.umount2(b"/dev/shm", 2)


@contextlib.contextmanager
def small_files():
    """This process cannot make files, nor anonymous ones, of more than 64 KiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def no_memory(me, kind):
    os.environ["XPU_LITE_CCL_SHM"] = kind
    limit = {"posix": small_shm, "memfd": small_files}[kind]
    try:
        with limit() if me.rank == 0 else contextlib.nullcontext():
            try:
                init(me, timeout=FAR)
                text = "made"
            except dist.DistBackendError as error:
                text = str(error)
            assert not dist.is_initialized()
    except PermissionError as error:
        signs(me).set("skip", str(error))
        os._exit(77)
    # With memory again, it works.
    me.init("memory", timeout=LIMIT)
    dist.all_reduce(tensor("xpu_lite"))
    dist.destroy_process_group()
    return text


@pytest.mark.parametrize("kind, reason", [
    ("posix", "No space left on device"),
    ("memfd", "File too large"),
])
def test_shared_memory_that_is_full_is_an_error_on_every_rank(kind, reason):
    with Ranks(3, timeout=LIMIT) as ranks:
        outcomes = ranks.outcomes(no_memory, kind)
    if outcomes[0].died == 77:
        pytest.skip("the kernel forbids mount namespaces")
    for outcome in outcomes:
        assert outcome.ok, str(outcome)
        text = r"rank 0: cannot (reserve|make) .*shared memory.*: " + reason
        assert re.search(text, outcome.value), outcome.value
        assert outcome.value == outcomes[0].value


def store_lost(me, when):
    """Rank 0 has the store of the group, as with env:// and no agent."""
    address = me.folder / "port"
    if me.rank == 0:
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        address.with_suffix(".new").write_text(str(store.port))
        address.with_suffix(".new").rename(address)
    else:
        while not address.exists():
            time.sleep(0.01)
        store = dist.TCPStore("127.0.0.1", int(address.read_text()), is_master=False)
    signs(me).set(f"connected {me.rank}", "")
    signs(me).wait([f"connected {rank}" for rank in range(me.size)])
    if when == "making" and me.rank == 0:
        time.sleep(0.3)  # the others wait in the store now
        os.kill(os.getpid(), signal.SIGKILL)
    arguments = dict(
        store=store, rank=me.rank, world_size=me.size,
        timeout=datetime.timedelta(seconds=FAR),
    )
    if when == "making":
        with pytest.raises(dist.DistError) as error:
            dist.init_process_group(BACKEND, **arguments)
        return str(error.value)
    dist.init_process_group(BACKEND, **arguments)
    dist.barrier()
    if me.rank == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    text = failure(all_reduce())
    recover(me)
    return text


@pytest.mark.parametrize("when", ["making", "working"])
def test_a_store_that_goes_away_is_an_error(ranks, when):
    outcomes = ranks.outcomes(store_lost, when)
    assert outcomes[0].died == -signal.SIGKILL
    for outcome in outcomes[1:]:
        assert outcome.ok, str(outcome)
        part = "the store failed" if when == "making" else r"rank 0 \(pid \d+\) is gone"
        assert re.search(part, outcome.value), outcome.value


def test_the_choice_of_the_transport_must_agree():
    with Ranks(2, timeout=LIMIT) as ranks:
        for text in ranks.run(disagree):
            assert "shm on rank 0, gloo on rank 1" in text


def disagree(me):
    os.environ["XPU_LITE_CCL_TRANSPORT"] = ["shm", "gloo"][me.rank]
    with pytest.raises(ValueError) as error:
        init(me, timeout=FAR)
    os.environ["XPU_LITE_CCL_TRANSPORT"] = "auto"
    me.init("agree", timeout=LIMIT)
    dist.barrier()
    dist.destroy_process_group()
    return str(error.value)


# --- Many groups, and the end of the program ----------------------------------------


def usage():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return {
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "mappings": pathlib.Path("/proc/self/maps").read_text().count("\n"),
        "megabytes": pages * resource.getpagesize() >> 20,
    }


def many_groups(me, count):
    init(me, timeout=LIMIT)

    def make(times):
        for _ in range(times):
            group = dist.new_group()
            x = tensor("xpu_lite", 1000)
            dist.all_reduce(x, group=group)
            assert x[-1] == me.size
            dist.all_reduce(x, group=group, async_op=True).wait()
            dist.destroy_process_group(group)
        dist.barrier()
        return usage()

    first, second = make(20), make(count)
    dist.destroy_process_group()
    return first, second


def test_groups_leak_nothing():
    """A thousand take minutes in Python; ccl_resources.cpp makes them, below it."""
    with Ranks(2, timeout=600) as ranks:
        for before, after in ranks.run(many_groups, 60):
            assert after["files"] == before["files"]
            assert after["threads"] == before["threads"]
            assert after["mappings"] <= before["mappings"] + 8
            # torch itself keeps a name and some counters for each group.
            assert after["megabytes"] <= before["megabytes"] + 4


PROGRAM = textwrap.dedent("""
    import os, signal, sys, time
    import torch, torch.distributed as dist

    rank, port, fault = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    store = dist.TCPStore("127.0.0.1", port, is_master=False)
    dist.init_process_group("xpulite", store=store, rank=rank, world_size=3)
    x = torch.ones(1 << 20, device="xpu_lite")
    dist.all_reduce(x)
    works = [dist.all_reduce(x, async_op=True)]
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        while True:
            works.append(dist.all_reduce(x, async_op=True))
            works[-1].wait()
            torch.accelerator.synchronize()
    except dist.DistBackendError as error:
        print(error)
    if rank == 0:
        dist.destroy_process_group()
    # Rank 2 leaves it to the interpreter's end.
    print("end of the program")
""")


def test_survivors_end_normally():
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(server.port), "killed"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(3)
    ]
    try:
        texts = [program.communicate(timeout=120)[0] for program in programs]
    finally:
        for program in programs:
            program.kill()
            program.wait()
    assert programs[1].returncode == -signal.SIGKILL, texts[1]
    for rank in (0, 2):
        assert programs[rank].returncode == 0, texts[rank]
        assert re.search(r"rank 1 \(pid \d+\) is gone", texts[rank]), texts[rank]
        assert texts[rank].endswith("end of the program\n"), texts[rank]
