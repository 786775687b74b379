"""Plain oneCCL on host memory, called through oneccl.cpp: no torch, no process group.

It runs with progress on the calling thread (CCL_WORKER_OFFLOAD=0), and yields where there are
more ranks than cores: with its own worker threads the same calls took hundreds of times as long
on two cores. Set the variables to have it otherwise.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ccl.calls import Call, elements, in_turns

SOURCE = Path(__file__).with_name("oneccl.cpp")
SETTINGS = {"CCL_ATL_TRANSPORT": "ofi", "FI_PROVIDER": "tcp", "CCL_LOG_LEVEL": "error",
            "CCL_PROCESS_LAUNCHER": "none", "CCL_WORKER_OFFLOAD": "0"}


def build(folder):
    """The path of the compiled library, or why there is none: (path, reason)."""
    prefix = Path(sys.prefix)
    if not (prefix / "include/oneapi/ccl.hpp").exists():
        return None, "oneCCL is not installed (pip install oneccl-devel)"
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if not compiler:
        return None, "no C++ compiler for benchmarks/ccl/oneccl.cpp"
    library = folder / "liboneccl_calls.so"
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        # An RPATH, not a RUNPATH: libccl.so looks for libraries beside it without saying so.
        command = [compiler, "-O2", "-std=c++17", "-shared", "-fPIC", str(SOURCE),
                   f"-I{prefix}/include", f"-L{prefix}/lib", "-lccl", f"-Wl,-rpath,{prefix}/lib",
                   "-Wl,--disable-new-dtags", "-Wl,--allow-shlib-undefined", "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return None, "oneccl.cpp did not compile: " + done.stderr.strip().splitlines()[0]
    return library, None


class OneCCL:
    """The collectives of oneCCL on the CPU tensors of a TorchCalls."""

    def __init__(self, library, tensors, address, wait, rank, ranks):
        self.tensors, self.rank, self.ranks = tensors, rank, ranks
        settings = {**SETTINGS, "CCL_ROOT": sys.prefix, "CCL_LOCAL_RANK": str(rank),
                    "FI_PROVIDER_PATH": f"{sys.prefix}/lib", "CCL_LOCAL_SIZE": str(ranks)}
        if ranks > len(os.sched_getaffinity(0)):
            settings["CCL_YIELD"] = "sched_yield"
        for name, value in settings.items():
            os.environ.setdefault(name, value)
        self.library = ctypes.CDLL(str(library))
        self.library.last_error.restype = ctypes.c_char_p
        if rank == 0:
            self.must(self.library.address(address))
        wait()
        self.must(self.library.open_group(ranks, rank, ctypes.create_string_buffer(
            address[:], len(address))))

    def must(self, status):
        if status:
            raise RuntimeError("oneCCL: " + self.library.last_error().decode())

    def make(self, name, size_bytes):
        """As TorchCalls.make; NotImplementedError for forms that are only torch's."""
        return in_turns(lambda offset: self.at(offset, name, size_bytes), size_bytes,
                        self.tensors.a.nbytes)

    def at(self, offset, name, size_bytes):
        lib, must, rank, ranks = self.library, self.must, self.rank, self.ranks
        like = self.tensors.at(offset, name, size_bytes)
        count, piece = elements(name, size_bytes, ranks)
        a = ctypes.c_void_p(self.tensors.a.data_ptr() + offset)
        b = ctypes.c_void_p(self.tensors.b.data_ptr() + offset)
        n, part = ctypes.c_size_t(count), ctypes.c_size_t(piece)
        counts = ctypes.c_size_t * ranks
        none, everyone = counts(), counts(*[piece] * ranks)
        to_root, peer = counts(piece), rank ^ 1
        runs = {
            "all_reduce": lambda: must(lib.all_reduce(a, n)),
            "reduce": lambda: must(lib.reduce(a, n, 0)),
            "broadcast": lambda: must(lib.broadcast(a, n, 0)),
            "all_gather_into_tensor": lambda: must(lib.all_gather(b, a, part)),
            "reduce_scatter_tensor": lambda: must(lib.reduce_scatter(a, b, part)),
            "all_to_all_single": lambda: must(lib.all_to_all(b, a, part)),
            "barrier": lambda: must(lib.barrier()),
        }
        if name == "gather":
            receive = everyone if rank == 0 else none
            runs[name] = lambda: must(lib.exchange(b, to_root, a, receive, ranks))
        elif name == "scatter":
            send = everyone if rank == 0 else none
            runs[name] = lambda: must(lib.exchange(a, send, b, to_root, ranks))
        elif name == "send_recv" and ranks % 2 == 0:
            only = counts(*[count if r == peer else 0 for r in range(ranks)])
            turns = ((only, none), (none, only)) if rank < peer else ((none, only), (only, none))

            def both():
                for send, receive in turns:
                    must(lib.exchange(a, send, b, receive, ranks))

            runs[name] = both
        if name not in runs:
            raise NotImplementedError("oneCCL has one form of it, in the row of the tensors")
        return Call(runs[name], like.inputs, like.outputs, like.per_run)
