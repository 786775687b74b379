"""What the files of tests of collectives share: their ranks, and tensors to send."""

import pytest
import torch
from ranks import Ranks


@pytest.fixture(scope="module", params=[2, 4], ids="{}-ranks".format)
def ranks(request):
    with Ranks(request.param, init=True) as ranks:
        yield ranks


def full(me, value, count=5, kind=None):
    return torch.full((count,), float(value), device=kind or me.device)


def total(me):
    """The sum of all ranks' numbers."""
    return sum(range(me.size))
