"""torch's own tests of distributed backends, which PyTorch runs against gloo and nccl.

DistributedTest of torch.testing._internal.distributed.distributed_test, run by ranks
that stay alive (distributed_torch/pool.py), over the backend "xpulite" in three ways:

  cpu          the tests as they are, with CPU tensors: all that gloo passes
               (distributed_torch/gloo.json) have to pass
  xpu_lite     the same, with the device as torch's default device
  accelerator  the tests that are written for CUDA, on xpu_lite

Here two ranks run all of them, three and four ranks what two skip. Everything, with
2, 3 and 4 ranks:  XL_TEST_ALL_RANKS=1 pytest tests/test_distributed_torch.py
"""

import json
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "distributed_torch"
sys.path.insert(0, str(HERE))
from pool import Pool  # noqa: E402
sys.path.remove(str(HERE))

GLOO = json.loads((HERE / "gloo.json").read_text())
ACCELERATOR = json.loads((HERE / "accelerator.json").read_text())
WORLDS = (2, 3, 4)
TIMEOUT = 240  # seconds for one test, on a machine that is busy with other things

# Of the tests written for CUDA these are not run: test_SyncBatchNorm_process_group needs
# torchvision; test_nccl_high_priority_stream and test_monitored_barrier_allreduce_hang
# (and _wait_all_ranks) ask for NCCL's class and words; test_ddp_hook_pickling_powerSGD,
# which torch skips, loads what torch.load refuses. test_ddp_uneven_inputs takes minutes.
# (device, test): why it cannot pass. They run all the same.
CANNOT_PASS = {
    ("accelerator", "test_batch_isend_irecv_nccl"): "a rank sends to itself: only NCCL can",
    ("accelerator", "test_batch_isend_irecv_self_nccl"): "a rank sends to itself: only NCCL can",
}


def _cases(device, lists):
    seen = set()
    for world in WORLDS:
        expected = [name for where, name in CANNOT_PASS if where == device and world == 2]
        for name in lists.get(str(world), []) + expected:
            if name in seen and not os.environ.get("XL_TEST_ALL_RANKS"):
                continue
            seen.add(name)
            reason = CANNOT_PASS.get((device, name))
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            yield pytest.param(device, world, name, marks=marks,
                               id=f"{device}-{world}-{name[len('test_'):]}")


CASES = [*_cases("cpu", GLOO), *_cases("xpu_lite", GLOO), *_cases("accelerator", ACCELERATOR)]


@pytest.fixture(scope="module")
def pools():
    """One pool is alive at a time: a machine may have fewer cores than ranks."""
    alive = {}

    def get(world, device):
        if (world, device) not in alive:
            while alive:
                alive.popitem()[1].__exit__()
            alive[world, device] = Pool(world, "xpulite", device)
        return alive[world, device]

    yield get
    for pool in alive.values():
        pool.__exit__()


@pytest.mark.parametrize("device, world, name", CASES)
def test_distributed(pools, device, world, name):
    result = pools(world, device).run(name, TIMEOUT)
    report = f"{result.status} after {result.seconds:.1f} s\n{result.detail}"
    assert result.status == "passed", report
