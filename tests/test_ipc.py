"""Tensors between processes: one memory, seen by all."""

import gc

import pytest
import torch
import torch.multiprocessing as mp

SPAWN = mp.get_context("spawn")


def _in_child(work, *arguments):
    """Runs work(queue in, queue out, *arguments) in a spawned process."""
    inward, outward = SPAWN.Queue(), SPAWN.Queue()
    child = SPAWN.Process(target=work, args=(inward, outward, *arguments))
    child.start()
    return child, inward, outward


def _end(child):
    child.join(120)
    assert child.exitcode == 0


def _add_one(inward, outward):
    x = inward.get(timeout=120)
    assert x.is_xpu_lite
    x.add_(1)
    outward.put(x.sum().item())


def test_writes_of_the_child_are_seen():
    child, inward, outward = _in_child(_add_one)
    x = torch.zeros(1000, device="xpu_lite")
    inward.put(x)
    assert outward.get(timeout=120) == 1000
    _end(child)
    assert x.sum().item() == 1000


def _send_back(inward, outward):
    outward.put(torch.arange(10.0, device="xpu_lite"))
    inward.get(timeout=120)


def test_tensors_made_in_the_child():
    child, inward, outward = _in_child(_send_back)
    x = outward.get(timeout=120)
    assert x.is_xpu_lite and x.sum().item() == 45
    inward.put(None)
    _end(child)
    assert x.sum().item() == 45  # the memory outlives the process that made it
    assert (x + 1).sum().item() == 55


def _check_kinds(inward, outward):
    base, view, parameter, strided, empty, half = inward.get(timeout=120)
    assert view.untyped_storage()._cdata == base.untyped_storage()._cdata
    assert view.storage_offset() == 2 and view.tolist() == [2, 3, 4]
    view.fill_(0)
    assert base.tolist() == [0, 1, 0, 0, 0, 5]
    assert isinstance(parameter, torch.nn.Parameter) and parameter.requires_grad
    assert strided.stride() == (1, 3) and strided.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert empty.shape == (0, 3) and empty.is_xpu_lite
    assert half.dtype == torch.bfloat16 and half.requires_grad
    outward.put("good")


def test_what_tensors_are_is_kept():
    base = torch.arange(6.0, device="xpu_lite")
    sent = (
        base, base[2:5], torch.nn.Parameter(torch.ones(2, device="xpu_lite")),
        torch.arange(6, device="xpu_lite").reshape(2, 3).t(),
        torch.empty(0, 3, device="xpu_lite"),
        torch.ones(2, dtype=torch.bfloat16, device="xpu_lite", requires_grad=True),
    )
    child, inward, outward = _in_child(_check_kinds)
    inward.put(sent)
    assert outward.get(timeout=120) == "good"
    _end(child)
    assert base.tolist() == [0, 1, 0, 0, 0, 5]


def _same_memory_twice(inward, outward):
    first, second = inward.get(timeout=120), inward.get(timeout=120)
    first.fill_(3)
    outward.put((second.tolist(), first.data_ptr() == second.data_ptr()))


def test_sent_twice_is_one_memory():
    x = torch.zeros(4, device="xpu_lite")
    child, inward, outward = _in_child(_same_memory_twice)
    inward.put(x)
    inward.put(x)
    assert outward.get(timeout=120) == ([3.0] * 4, True)
    _end(child)
    assert x.tolist() == [3.0] * 4


def _forward(inward, outward):
    outward.put(inward.get(timeout=120))
    inward.get(timeout=120)


def test_there_and_back_is_the_same_storage():
    x = torch.zeros(4, device="xpu_lite")
    child, inward, outward = _in_child(_forward)
    inward.put(x)
    y = outward.get(timeout=120)
    inward.put(None)
    y.fill_(2)
    assert x.tolist() == [2.0] * 4 and y.data_ptr() == x.data_ptr()
    _end(child)


def _receive_late(inward, outward):
    outward.put(inward.get(timeout=120).sum().item())


def test_sender_may_forget_the_tensor():
    child, inward, outward = _in_child(_receive_late)
    x = torch.ones(100_000, device="xpu_lite")
    inward.put(x)
    del x
    gc.collect()
    torch.zeros(100_000, device="xpu_lite")  # what would overwrite freed memory
    assert outward.get(timeout=120) == 100_000
    _end(child)


def _train(model, outward):
    for parameter in model.parameters():
        assert parameter.is_xpu_lite
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(torch.ones(4, 3, device="xpu_lite")).sum().backward()
    optimizer.step()
    outward.put("stepped")


def test_a_shared_model_is_trained_by_the_child():
    model = torch.nn.Linear(3, 2).to("xpu_lite").share_memory()
    before = model.weight.detach().cpu().clone()
    outward = SPAWN.Queue()
    child = SPAWN.Process(target=_train, args=(model, outward))
    child.start()
    assert outward.get(timeout=120) == "stepped"
    _end(child)
    assert torch.allclose(model.weight.detach().cpu(), before - 0.5 * 4)


def _sum_sparse(inward, outward):
    x = inward.get(timeout=120)
    outward.put((x.is_sparse, x.device.type, x.to_dense().sum().item()))


def test_sparse():
    child, inward, outward = _in_child(_sum_sparse)
    inward.put(torch.eye(3).to_sparse().to("xpu_lite"))
    assert outward.get(timeout=120) == (True, "xpu_lite", 3.0)
    _end(child)


def test_results_of_autograd_are_refused():
    x = torch.ones(2, device="xpu_lite", requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="non-leaf"):
        mp.reductions.reduce_tensor(x)


def _dot(x):
    return (x @ x).item()


def test_pool():
    with SPAWN.Pool(2) as pool:
        assert pool.map(_dot, [torch.full((4,), float(n), device="xpu_lite") for n in range(4)]) == [
            0, 4, 16, 36,
        ]


def test_memory_moves_once_and_tensors_follow():
    x = torch.arange(8.0, device="xpu_lite")
    view = x[2:]
    from multiprocessing.reduction import ForkingPickler

    ForkingPickler.dumps(x)
    address = x.data_ptr()
    ForkingPickler.dumps(view)
    assert x.data_ptr() == address and view.data_ptr() == address + 8
    view.add_(1)
    assert x.tolist() == [0, 1, 3, 4, 5, 6, 7, 8]
