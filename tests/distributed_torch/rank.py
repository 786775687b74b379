"""One rank that runs tests of torch's DistributedTest class, one after another.

Started by pool.py, which writes one JSON line for each test to its standard input
and reads one JSON line back from the descriptor named on the command line. torch's
own harness starts fresh processes for each test; keeping them alive spares the
import of torch, and everything else is done as its `_run` does it.
"""

import contextlib
import gc
import json
import os
import random
import sys
import traceback
import unittest
import warnings
from datetime import timedelta


class Posing(str):
    """The backend's name, equal to another's name too.

    The tests ask for "gloo" and "nccl" by name wherever they decide what a backend has
    to do; so every such decision falls for this backend as for the one it poses as."""

    as_name = ""

    def __eq__(self, other):
        return other == self.as_name or str.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(self.as_name)


class _Environ(os._Environ):
    def __getitem__(self, key):
        value = super().__getitem__(key)
        return Posing(value) if key == "BACKEND" and Posing.as_name else value


def _import_tests(backend, device):
    """torch's module of tests, and the class that runs them."""
    os.environ["BACKEND"] = backend
    if backend != "gloo":
        Posing.as_name = "nccl" if device == "accelerator" else "gloo"
        os.environ.__class__ = _Environ
    import torch
    from torch.testing._internal import common_distributed
    if int(os.environ["WORLD_SIZE"]) > 2:
        # torch asks for eight ranks, but the groups of these tests are [1, 2] at most.
        common_distributed.skip_if_small_worldsize = lambda test: test
    if backend != "gloo":
        common_distributed.DistTestCases.backend_feature["plugin"].add(backend)
    if device == "accelerator":
        from as_accelerator import import_tests
        module = import_tests()
    else:
        from torch.testing._internal.distributed import distributed_test as module
    for table in (module.PROFILING_SUPPORTED_BACKENDS,
                  module.SEND_RECV_PROFILING_SUPPORTED_BACKENDS):
        if backend not in table:
            table.append(backend)

    class Tests(module.TestDistBackend, module.DistributedTest._DistTestBase):
        pass

    torch._C._set_print_stack_traces_on_fatal_signal(True)
    return module, Tests


def _skip_reason(code):
    from torch.testing._internal.common_distributed import TEST_SKIPS
    for skip in TEST_SKIPS.values():
        if skip.exit_code == code:
            return skip.message
    return None


class Rank:
    def __init__(self, rank, world, backend, device):
        self.rank, self.world, self.backend, self.device = rank, world, backend, device
        os.environ.update(WORLD_SIZE=str(world), RANK=str(rank), TEMP_DIR="/nonexistent",
                          INIT_METHOD="file:///nonexistent", MASTER_ADDR="127.0.0.1",
                          TORCH_SHOW_CPP_STACKTRACES="1")
        self.module, self.tests = _import_tests(backend, device)
        self.environment = dict(os.environ)

    def names(self):
        return sorted(n for n in dir(self.tests) if n.startswith("test_"))

    def run(self, name, folder):
        """("passed" | "skipped" | "failed", detail)"""
        try:
            with self._placed():
                self._run(name, folder)
            return "passed", ""
        except unittest.SkipTest as skip:
            return "skipped", str(skip)
        except SystemExit as stop:
            reason = _skip_reason(stop.code)
            if reason:
                return "skipped", reason
            return ("passed", "") if not stop.code else ("failed", f"exit code {stop.code}")
        except BaseException:
            test = getattr(self.tests, name)
            if getattr(test, "__unittest_skip__", False):  # tried all the same: some pass
                return "skipped", f"{test.__unittest_skip_why__} (and fails)"
            lines = traceback.format_exc().splitlines()
            return "failed", "\n".join(l for l in lines if not l.startswith("#"))  # C++ frames
        finally:
            self._clean()

    def _placed(self):
        """Where the tests' factories put tensors that name no device."""
        if self.device != "xpu_lite":
            return contextlib.nullcontext()
        import torch
        return torch.device(self.device)

    def _run(self, name, folder):
        import torch.distributed as dist
        from torch.testing._internal import common_utils
        os.environ["TEMP_DIR"] = folder
        init = f"file://{folder}/init_dir/shared_init_file"
        os.environ["INIT_METHOD"] = self.module.INIT_METHOD = init
        self.module.Barrier.barrier_id = 0
        test = self.tests(name)
        test.rank = self.rank
        test.file_name = f"{folder}/file"
        seconds = self.module.CUSTOM_PG_TIMEOUT.get(name, self.module.default_pg_timeout)
        dist.init_process_group(init_method=test.init_method, backend=self.backend,
                                world_size=self.world, rank=self.rank,
                                timeout=timedelta(seconds=seconds))
        test._barrier()
        common_utils.set_rng_seed()
        getattr(test, name)()
        test._barrier()
        dist.destroy_process_group()

    def _clean(self):
        import torch
        import torch.distributed as dist
        with contextlib.suppress(Exception):
            if dist.is_initialized():
                dist.destroy_process_group()
        for key in set(os.environ) - set(self.environment):
            del os.environ[key]
        os.environ.update(self.environment)
        dist.set_debug_level_from_env()
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        warnings.resetwarnings()
        random.seed(0)
        gc.collect()


def main():
    number, world, backend, device, answers = sys.argv[1:6]
    with os.fdopen(int(answers), "w", buffering=1) as answers:
        rank = Rank(int(number), int(world), backend, device)
        print(json.dumps({"names": rank.names()}), file=answers)
        for line in sys.stdin:
            request = json.loads(line)
            print(f"=== {request['name']}", file=sys.stderr, flush=True)
            status, detail = rank.run(request["name"], request["folder"])
            sys.stderr.flush()
            print(json.dumps({"status": status, "detail": detail}), file=answers)
    os._exit(0)  # what tests left behind must not hold the process


if __name__ == "__main__":
    main()
