"""Views are views: aliasing, in-place work on views, overlapping memory, conj and neg bits, out=."""

import pytest
import torch
from outcome import observe, same_error, same_value
from twin import DEVICE, twin

VIEWS = {
    "view": lambda t: t.view(6, 4),
    "view dtype": lambda t: t.view(torch.int32),
    "reshape": lambda t: t.reshape(24),
    "transpose": lambda t: t.transpose(0, 2),
    "permute": lambda t: t.permute(2, 0, 1),
    "select": lambda t: t[1],
    "slice": lambda t: t[:, 1:3],
    "negative step slice": lambda t: t[..., ::2],
    "expand": lambda t: t[:1].expand(5, 3, 4),
    "squeeze": lambda t: t[:1].squeeze(0),
    "unsqueeze": lambda t: t.unsqueeze(1),
    "narrow": lambda t: t.narrow(1, 1, 2),
    "diagonal": lambda t: t.diagonal(dim1=1, dim2=2),
    "unfold": lambda t: t.unfold(2, 2, 1),
    "as_strided": lambda t: t.as_strided((2, 2), (1, 3), 2),
    "flatten": lambda t: t.flatten(1),
    "movedim": lambda t: t.movedim(0, -1),
    "swapaxes": lambda t: t.swapaxes(0, 1),
    "unflatten": lambda t: t.unflatten(2, (2, 2)),
    "mT": lambda t: t.mT,
    "detach": lambda t: t.detach(),
    "ravel": lambda t: t.ravel(),
    "view_as": lambda t: t.view_as(torch.empty(4, 6)),
    "contiguous of contiguous": lambda t: t.contiguous(),
    "to the same": lambda t: t.to(t.device, t.dtype),
    "alias": lambda t: torch.ops.aten.alias(t),
}
LISTS = {
    "split": lambda t: t.split(2, 2),
    "chunk": lambda t: t.chunk(3, 1),
    "unbind": lambda t: t.unbind(0),
    "tensor_split": lambda t: t.tensor_split((1, 3), 2),
    "hsplit": lambda t: t.hsplit(3),
}


def base(device=DEVICE):
    return torch.arange(24, dtype=torch.float32, device=device).reshape(2, 3, 4)


@pytest.mark.parametrize("name", list(VIEWS))
def test_view_shares_memory(name):
    """The view has the CPU's geometry, and a write through it is seen in the base."""
    expected_base, found_base = base("cpu"), base()
    expected, found = VIEWS[name](expected_base), VIEWS[name](found_base)
    same_value(expected, found, DEVICE)
    assert found.storage_offset() == expected.storage_offset()
    assert found.untyped_storage().data_ptr() == found_base.untyped_storage().data_ptr()
    assert found._is_view() == expected._is_view()
    target = (0,) * expected.dim()
    expected[target], found[target] = -7, -7
    same_value(expected_base, found_base, DEVICE)


@pytest.mark.parametrize("name", list(LISTS))
def test_list_of_views(name):
    expected_base, found_base = base("cpu"), base()
    expected, found = LISTS[name](expected_base), LISTS[name](found_base)
    same_value(expected, found, DEVICE)
    for e, f in zip(expected, found):
        assert f.untyped_storage().data_ptr() == found_base.untyped_storage().data_ptr()
        e.mul_(2)
        f.mul_(2)
    same_value(expected_base, found_base, DEVICE)


@pytest.mark.parametrize("name", ["view", "transpose", "select", "slice", "diagonal", "unfold"])
def test_gradient_through_view(name):
    gradients = []
    for device in ("cpu", DEVICE):
        leaf = base(device).requires_grad_()
        (VIEWS[name](leaf) ** 2).sum().backward()
        gradients.append(leaf.grad)
    same_value(*gradients, DEVICE)


@pytest.mark.parametrize("name", ["view", "transpose", "select", "slice"])
def test_gradient_of_in_place_on_view(name):
    gradients = []
    for device in ("cpu", DEVICE):
        leaf = base(device).requires_grad_()
        copy = leaf.clone()
        VIEWS[name](copy).mul_(3).add_(1)
        (copy * copy).sum().backward()
        gradients.append(leaf.grad)
    same_value(*gradients, DEVICE)


def test_version_counter_is_shared():
    t = base()
    view = t[0]
    before = t._version
    view.add_(1)
    assert t._version == view._version == before + 1


def test_modified_after_saving_is_an_error():
    def use(device):
        leaf = base(device).requires_grad_()
        copy = leaf.clone()
        loss = copy.exp()
        loss.add_(1)
        loss.sum().backward()

    cpu, dev = observe(lambda: use("cpu")), observe(lambda: use(DEVICE))
    assert isinstance(cpu.error, RuntimeError)
    same_error(cpu, dev)


OVERLAPPING = {
    "write to expanded": lambda t: t[:1, :1].expand(2, 3, 4)[:, :, 0].add_(1),
    "fill expanded": lambda t: t[0, 0, 0].expand(4).copy_(t[0, 0]),
    "input overlaps output": lambda t: torch.add(t.flatten()[1:], 1, out=t.flatten()[:-1]),
    "in-place with a shifted self": lambda t: t.flatten()[1:].mul_(t.flatten()[:-1]),
    "cumsum into expanded": lambda t: torch.cumsum(t[0, 0], 0, out=t[0, 0, :1].expand(4)),
    "index_add_ on expanded": lambda t: t[0, 0, :1].expand(4).index_add_(
        0, torch.zeros(1, dtype=torch.long, device=t.device), t[0, 0, :1]),
    "scatter_ on expanded": lambda t: t[0, 0, :1].expand(4).scatter_(
        0, torch.zeros(4, dtype=torch.long, device=t.device), t[0, 0].clone()),
    "masked_fill_ on expanded": lambda t: t[0, 0, :1].expand(4).masked_fill_(
        t[0, 0] > 0, 1.0),
    "resize a view of a view": lambda t: t[0].resize_(100),
    "view of incompatible strides": lambda t: t.transpose(0, 1).view(-1),
    "view to another dtype, odd size": lambda t: t[..., :3].view(torch.float64),
    "as_strided outside": lambda t: t.as_strided((100,), (1,)),
    "in-place with a wider dtype": lambda t: t.int().add_(1.5),
    "in-place broadcast of self": lambda t: t[0].add_(t),
}


@pytest.mark.parametrize("name", list(OVERLAPPING))
def test_illegal_or_overlapping_writes(name):
    """What the CPU refuses is refused with the same type, what it accepts gives the same."""
    expected_base, found_base = base("cpu"), base()
    cpu = observe(lambda: OVERLAPPING[name](expected_base))
    dev = observe(lambda: OVERLAPPING[name](found_base))
    same_error(cpu, dev)
    if cpu.error is None and name != "resize a view of a view":
        same_value(cpu.value, dev.value, DEVICE)
        same_value(expected_base, found_base, DEVICE)


COMPLEX = {
    "conj is lazy": lambda t: t.conj(),
    "resolve_conj": lambda t: t.conj().resolve_conj(),
    "imag of conj is a negated view": lambda t: t.conj().imag,
    "real": lambda t: t.real,
    "view_as_real": torch.view_as_real,
    "view_as_real of resolved": lambda t: torch.view_as_real(t.conj().resolve_conj()),
    "adjoint": lambda t: t.mH,
    "conj product": lambda t: t.conj() @ t.mH,
    "conj of conj": lambda t: t.conj().conj(),
    "physical": lambda t: t.conj_physical(),
    "neg view": lambda t: torch._neg_view(t),
    "sum of negated": lambda t: torch._neg_view(t.real).sum(),
    "vdot": lambda t: torch.vdot(t.flatten().conj(), t.flatten()),
}


@pytest.mark.parametrize("name", list(COMPLEX))
def test_conj_and_neg_bits(name):
    t = torch.complex(torch.arange(9.0).reshape(3, 3), torch.arange(9.0).reshape(3, 3).flip(0) - 2)
    same_value(COMPLEX[name](t), COMPLEX[name](twin(t)), DEVICE)


def test_write_through_conj_and_imag():
    t = torch.complex(torch.arange(4.0), torch.ones(4))
    other = twin(t)
    for x in (t, other):
        x.conj()[0] = 3 + 4j
        x.conj().imag.mul_(2)
        torch.view_as_real(x)[2].fill_(5)
    same_value(t, other, DEVICE)


def test_view_as_complex_shares_memory():
    t = torch.arange(8.0, device=DEVICE).reshape(4, 2)
    torch.view_as_complex(t)[1] = 9 + 1j
    assert t[1].tolist() == [9.0, 1.0]


@pytest.mark.parametrize("bit", ["conj", "neg"])
def test_copies_carry_bits(bit):
    """Copies between the devices resolve or keep the lazy bit as the CPU's own copy does."""
    t = torch.complex(torch.arange(4.0), torch.ones(4))
    lazy = t.conj() if bit == "conj" else torch._neg_view(t)
    assert torch.equal(lazy.to(DEVICE).cpu(), lazy)
    there = twin(lazy)
    assert torch.equal(there.clone().cpu(), lazy)
    target = torch.empty(4, dtype=t.dtype, device=DEVICE)
    assert torch.equal(target.copy_(lazy).cpu(), lazy)


RESIZES = {
    "fits": lambda d: torch.empty(3, device=d),
    "empty": lambda d: torch.empty(0, device=d),
    "wrong": lambda d: torch.empty(2, 2, device=d),
    "strided": lambda d: torch.empty(6, device=d)[::2],
    "channels": lambda d: torch.empty(5, 7, device=d).t(),
    "dtype": lambda d: torch.empty(3, dtype=torch.float64, device=d),
    "int": lambda d: torch.empty(3, dtype=torch.int32, device=d),
}
OUT_CALLS = {
    "add": lambda t, out: torch.add(t, 1, out=out),
    "mm": lambda t, out: torch.mv(torch.outer(t, t), t, out=out),
    "sum": lambda t, out: torch.sum(torch.outer(t, t), 0, out=out),
    "cat": lambda t, out: torch.cat([t[:1], t[1:]], out=out),
    "sort": lambda t, out: torch.take(t, torch.arange(3, device=t.device), out=out),
    "cumsum": lambda t, out: torch.cumsum(t, 0, out=out),
    "exp": lambda t, out: torch.exp(t, out=out),
    "arange": lambda t, out: torch.arange(3, out=out),
    "where": lambda t, out: torch.where(t > 0, t, -t, out=out),
}


@pytest.mark.parametrize("size", list(RESIZES))
@pytest.mark.parametrize("call", list(OUT_CALLS))
def test_out_resizes_and_warns(call, size):
    outcomes = []
    for device in ("cpu", DEVICE):
        t = torch.arange(1.0, 4.0, device=device)
        out = RESIZES[size](device)
        outcome = observe(lambda: OUT_CALLS[call](t, out))
        outcomes.append((outcome, out))
    (cpu, cpu_out), (dev, dev_out) = outcomes
    same_error(cpu, dev)
    if cpu.error is None:
        assert dev.value is dev_out
        same_value(cpu_out, dev_out, DEVICE)
        warned = [sum("was resized" in m for m in o.warnings) for o in (cpu, dev)]
        assert warned[0] == warned[1], f"{warned[0]} warnings on the CPU, {warned[1]} here"


def test_out_on_another_device_is_an_error():
    t = torch.ones(3, device=DEVICE)
    if DEVICE != "cpu":
        with pytest.raises(RuntimeError):
            torch.add(t, t, out=torch.empty(3))
        with pytest.raises(RuntimeError):
            torch.add(t, torch.ones(3))
    assert (t + torch.tensor(1.0)).tolist() == [2.0, 2.0, 2.0]  # a CPU scalar is allowed


def test_set_and_storage_sharing():
    t = torch.arange(6.0, device=DEVICE)
    other = torch.empty(0, device=DEVICE).set_(t.untyped_storage(), 2, (2, 2), (2, 1))
    other.fill_(-1)
    assert t.tolist() == [0, 1, -1, -1, -1, -1]


def test_resize_keeps_the_values():
    t = torch.arange(6.0, device=DEVICE)
    t.resize_(2, 2)
    assert t.tolist() == [[0, 1], [2, 3]]
    t.resize_(100)
    assert t[:6].tolist() == [0, 1, 2, 3, 4, 5]
    t.untyped_storage().resize_(8)
    assert t.untyped_storage().nbytes() == 8


def test_mutation_of_many_outputs_and_lists():
    """Lists of tensors that are written in place stay the same tensors."""
    parts = [torch.ones(2, device=DEVICE), torch.ones(3, device=DEVICE)[1:]]
    pointers = [p.data_ptr() for p in parts]
    torch._foreach_add_(parts, 2)
    assert [p.data_ptr() for p in parts] == pointers
    assert [p.tolist() for p in parts] == [[3, 3], [3, 3]]
