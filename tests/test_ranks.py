"""The helper that runs ranks: its tests need no process group."""

import os
import signal
import time

import pytest
from ranks import Ranks


def number(me, add):
    return me.rank * 10 + me.size + add


def over_the_store(me):
    me.store("names").set(f"name{me.rank}", f"rank {me.rank}")
    return me.store("names").get(f"name{(me.rank + 1) % me.size}").decode()


def one_raises(me):
    print("about to raise")
    if me.rank == 1:
        raise ValueError("only rank 1")


def one_dies(me):
    if me.rank == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def one_hangs(me):
    if me.rank == 1:
        sleeps_long()


def sleeps_long():
    time.sleep(600)


def all_skip(me):
    pytest.skip("not on this machine")


def variable(me):
    return os.environ.get("RANKS_TEST"), os.environ["RANK"]


@pytest.fixture(scope="module")
def ranks():
    with Ranks(2) as ranks:
        yield ranks


def test_values_and_processes_stay(ranks):
    assert ranks.run(number, 100) == [102, 112]
    before = ranks.pids()
    assert ranks.run(number, add=5) == [7, 17]
    assert ranks.pids() == before


def test_store_is_shared(ranks):
    assert ranks.run(over_the_store) == ["rank 1", "rank 0"]


def test_error_names_the_rank_and_new_processes_follow(ranks):
    before = ranks.pids()
    with pytest.raises(AssertionError, match="(?s)rank 0: returned None.*rank 1: .*only rank 1"):
        ranks.run(one_raises)
    assert ranks.pids() != before
    assert ranks.run(number, 0) == [2, 12]
    assert ranks.run(over_the_store) == ["rank 1", "rank 0"]


def test_printed_text_is_in_the_report(ranks):
    assert "about to raise" in ranks.outcomes(one_raises)[1].log


def test_death(ranks):
    outcome = ranks.outcomes(one_dies)
    assert outcome[0].died == -signal.SIGKILL and outcome[1].ok


def test_hang_shows_stacks(ranks):
    outcome = ranks.outcomes(one_hangs, timeout=1)
    assert outcome[0].ok and "sleeps_long" in outcome[1].hung


def test_skip(ranks):
    with pytest.raises(pytest.skip.Exception, match="not on this machine"):
        ranks.run(all_skip)


def test_environment():
    with Ranks(2, environment={"RANKS_TEST": "yes"}) as ranks:
        assert ranks.run(variable) == [("yes", "0"), ("yes", "1")]


def test_close_leaves_no_process():
    with Ranks(2) as ranks:
        pids = ranks.pids()
        directory = ranks._directory
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert not os.path.exists(directory)
