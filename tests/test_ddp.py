"""DistributedDataParallel and what belongs to it, over `xpulite`, with 2 and 4 ranks.

The checks, which run on the ranks, are functions of ddp_checks.py and distributed_checks.py.
"""

import ddp_checks
import distributed_checks
import pytest
from ranks import Ranks


def checks(module):
    """The names of a module's checks."""
    return [name.removeprefix("check_") for name in vars(module) if name.startswith("check_")]


@pytest.fixture(scope="module", params=[2, 4], ids=["2-ranks", "4-ranks"])
def ranks(request):
    with Ranks(request.param, init=True) as ranks:
        yield ranks


@pytest.mark.parametrize("name", checks(ddp_checks))
def test_ddp(ranks, name):
    ranks.run(getattr(ddp_checks, f"check_{name}"))


@pytest.mark.parametrize("name", checks(distributed_checks))
def test_beside_ddp(ranks, name):
    ranks.run(getattr(distributed_checks, f"check_{name}"))
