"""Weights that are packed once: never stale, bounded, and the same results as without.

Note [Forms of weights] in backend/aten/core/form_cache.h.
"""

import copy
import random
import threading

import pytest
import torch
import torch.nn.functional as F
from engine import host_only

DEV = "xpu_lite"
x = torch.xpu_lite
pytestmark = host_only("the host engine packs weights for its own kernel")


@pytest.fixture(autouse=True)
def nothing_kept():
    x.clear_packed_weights()
    yield
    x.clear_packed_weights()


def packed():
    return x.packing_stats()["packed"]


def close(device_result, reference, dtype=torch.float32):
    tolerance = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 4e-3}[dtype]
    torch.testing.assert_close(device_result.float().cpu(), reference.float(), rtol=tolerance,
                               atol=tolerance * max(1.0, reference.abs().max().item()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("m", [1, 2, 7, 33, 128])
@pytest.mark.parametrize("bias", ["none", "row", "full"])
def test_products_equal_the_cpus(dtype, m, bias):
    torch.manual_seed(m)
    a, w = torch.randn(m, 160), torch.randn(208, 160) / 12
    added = {"none": None, "row": torch.randn(208), "full": torch.randn(m, 208)}[bias]
    cast = lambda t: None if t is None else t.to(dtype)  # noqa: E731
    reference = a.to(dtype).double() @ w.to(dtype).double().t()
    if added is not None:
        reference = reference * 0.5 + 2 * added.to(dtype).double()
    a, w, added = (t if t is None else cast(t).to(DEV) for t in (a, w, added))
    for _ in range(3):  # once, then kept
        if added is None:
            result = a @ w.t()
        else:
            result = torch.addmm(added, a, w.t(), beta=2, alpha=0.5)
        assert result.dtype == dtype and result.shape == (m, 208) and result.is_contiguous()
        close(result, reference, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("tokens", [63, 400, 513])
def test_gradients_of_weights(dtype, tokens):
    """A transposed operand, and one that is packed for the call alone: nothing is kept of it."""
    torch.manual_seed(tokens)
    grad, batch = torch.randn(tokens, 200).to(dtype), torch.randn(tokens, 136).to(dtype)
    there, here = grad.to(DEV), batch.to(DEV)
    wide = torch.randn(tokens, 300).to(dtype).to(DEV)  # rows further apart than they are long
    wide[:, 50:250] = there
    reference = grad.double().t() @ batch.double()
    for _ in range(3):
        close(there.t() @ here, reference, dtype)
        close(wide[:, 50:250].t() @ here, reference, dtype)
        close(torch.addmm(torch.ones(136, device=DEV, dtype=dtype), there.t(), here),
              reference + 1, dtype)
        here.mul_(-1)
        reference = -reference
    if dtype == torch.float32:
        assert packed()["kept"] == 0


def test_a_weight_is_kept_from_its_second_use():
    linear = torch.nn.Linear(512, 512).to(DEV)
    batch = torch.randn(16, 512, device=DEV)
    before = packed()
    results = [linear(batch) for _ in range(4)]
    after = packed()
    assert after["made"] - before["made"] == 1 and after["hits"] - before["hits"] == 2
    assert after["kept"] == 1 and after["bytes"] >= 512 * 512 * 4
    assert all(torch.equal(results[0], r) for r in results[1:])  # kept or not: one kernel


def test_off_means_off():
    linear = torch.nn.Linear(512, 512).to(DEV)
    batch = torch.randn(16, 512, device=DEV)
    kept = [linear(batch) for _ in range(3)][-1]
    x.clear_packed_weights()
    with x.set_packing(False):
        result = [linear(batch) for _ in range(3)][-1]
        assert packed()["kept"] == 0
    assert torch.equal(kept, result)
    with pytest.raises(ValueError, match="limit must be 0 or more"):
        x.set_packing(True, -1)


def test_the_limit_holds_and_the_oldest_go():
    layers = [torch.nn.Linear(256, 256).to(DEV) for _ in range(8)]
    batch = torch.randn(64, 256, device=DEV)
    reference = [layer(batch) for layer in layers]
    with x.set_packing(True, 3 * 256 * 256 * 4):
        before = packed()["evicted"]
        for _ in range(3):
            for layer, expected in zip(layers, reference):
                assert torch.equal(layer(batch), expected)
        assert packed()["bytes"] <= 3 * 256 * 256 * 4 and packed()["evicted"] > before


def test_freed_weights_take_no_memory():
    for _ in range(5):
        linear = torch.nn.Linear(512, 512).to(DEV)
        for _ in range(2):
            linear(torch.randn(16, 512, device=DEV))
        del linear
        assert packed()["kept"] == 0


def test_weights_of_several_threads():
    linear = torch.nn.Linear(384, 384).to(DEV)
    batch = torch.randn(32, 384, device=DEV)
    expected = linear(batch)
    wrong = []

    def work():
        for _ in range(50):
            if not torch.equal(linear(batch), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("write", ["in_place", "data", "copy"])
def test_weights_on_a_stream_of_its_own(write):
    """Queued products use what is kept; a write that is queued, and has not run, ends it."""
    layer = torch.nn.Linear(256, 256, bias=False).to("xpu_lite")
    x = torch.randn(64, 256)
    there, new = x.to("xpu_lite"), torch.randn(256, 256).to("xpu_lite")
    expected = {}
    stream = torch.xpu_lite.Stream()
    with torch.no_grad(), torch.xpu_lite.stream(stream):
        before = torch.xpu_lite.packing_stats()["packed"]
        outputs = [layer(there) for _ in range(3)]
        assert torch.xpu_lite.packing_stats()["packed"]["hits"] > before["hits"]
        expected["old"] = x @ layer.weight.cpu().t()
        torch.xpu_lite._sleep(30_000_000)  # the write below waits
        if write == "in_place":
            layer.weight.mul_(2)
        elif write == "data":
            layer.weight.data.add_(1)
        else:
            layer.weight.copy_(new)
        later = [layer(there) for _ in range(4)]
    stream.synchronize()
    expected["new"] = x @ layer.weight.detach().cpu().t()
    assert not torch.allclose(expected["old"], expected["new"], atol=0.1)
    for kind, values in (("old", outputs), ("new", later)):
        for value in values:
            torch.testing.assert_close(value.cpu(), expected[kind], atol=1e-3, rtol=1e-4)


def test_training_sees_each_step():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(128, 256), torch.nn.ReLU(),
                                torch.nn.Linear(256, 64))
    twin = copy.deepcopy(model).to(DEV)
    batch = torch.randn(64, 128)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9) for m in (model, twin)]
    for _ in range(20):
        for m, optimizer, b in ((model, optimizers[0], batch), (twin, optimizers[1], batch.to(DEV))):
            for _ in range(2):  # two uses of each weight in a step
                m(b).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    close(twin(batch.to(DEV)), model(batch).detach())


def test_autocast_casts_a_weight_once():
    linear = torch.nn.Linear(256, 256).to(DEV)
    batch = torch.randn(32, 256, device=DEV)
    before = x.packing_stats()["cast"]
    with torch.no_grad():
        for _ in range(5):
            with torch.autocast(DEV, dtype=torch.bfloat16):
                result = linear(batch)
    after = x.packing_stats()["cast"]
    assert result.dtype == torch.bfloat16
    assert after["made"] - before["made"] == 2 and after["hits"] - before["hits"] == 6
    with torch.no_grad():
        linear.weight.data.mul_(2)
        linear.bias.data.zero_()
        with torch.autocast(DEV, dtype=torch.bfloat16):
            close(linear(batch), (batch.cpu() @ linear.weight.cpu().t()), torch.bfloat16)


# --- Random programs against a model without a cache --------------------------------


class Program:
    """Random writes and uses of a few weights, on the device and on the CPU."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        torch.manual_seed(seed)
        self.cpu = [torch.nn.Parameter(torch.randn(64, 64) / 8) for _ in range(3)]
        self.device = [torch.nn.Parameter(w.detach().to(DEV)) for w in self.cpu]
        self.optimizers = None
        self.batch = torch.randn(40, 64)
        self.batch_on_device = self.batch.to(DEV)

    def pair(self):
        index = self.random.randrange(len(self.cpu))
        return index, self.cpu[index], self.device[index]

    def use(self):
        _, w, d = self.pair()
        how = self.random.randrange(5)
        with torch.no_grad():
            if how == 0:
                result, expected = F.linear(self.batch_on_device, d), F.linear(self.batch, w)
            elif how == 1:
                result, expected = self.batch_on_device @ d, self.batch @ w
            elif how == 2:  # a view of a part
                result = self.batch_on_device @ d[:, :48]
                expected = self.batch @ w[:, :48]
            elif how == 3:  # cast under autocast
                with torch.autocast(DEV, dtype=torch.bfloat16):
                    result = F.linear(self.batch_on_device, d)
                expected = F.linear(self.batch.bfloat16(), w.bfloat16())
            else:  # two at once: tied through a third
                result = (self.batch_on_device @ d) @ self.device[0].t()
                expected = (self.batch @ w) @ self.cpu[0].t()
        close(result, expected, torch.bfloat16 if how == 3 else torch.float32)

    def write(self):
        _, w, d = self.pair()
        how = self.random.randrange(11)
        factor = self.random.uniform(0.9, 1.1)
        with torch.no_grad():
            for t in (w, d):
                if how == 0:
                    t.mul_(factor)
                elif how == 1:
                    t.data.mul_(factor)
                elif how == 2:
                    t.data[self.random_row(factor)].neg_()
                elif how == 3:
                    t.data = (t * factor).clone()  # other memory
                elif how == 4:
                    t.view(-1)[:32].add_(factor - 1)
                elif how == 5:
                    t.t().copy_((t * factor).t())
                elif how == 6:
                    torch._foreach_mul_([t.data], factor)
                elif how == 7:
                    t.detach()[3:5] = factor - 1
                elif how == 8:
                    t.data.clamp_(-0.3 * factor, 0.3 * factor)
                elif how == 9:
                    t.data.set_((t * factor).clone())
                else:
                    t.untyped_storage().copy_((t * factor).clone().untyped_storage())

    @staticmethod
    def random_row(factor):
        return int(factor * 1000) % 64

    def step(self):
        if self.optimizers is None or self.random.random() < 0.3:
            kind = self.random.choice(["SGD", "AdamW"])
            foreach = self.random.choice([True, False])
            extra = {"eps": 1e-2} if kind == "AdamW" else {}  # else a rounding becomes a sign
            make = lambda p: getattr(torch.optim, kind)(p, lr=1e-3, foreach=foreach,  # noqa: E731
                                                        **extra)
            self.optimizers = make(self.cpu), make(self.device)
        index, w, d = self.pair()
        for weights, optimizer, batch in ((self.cpu, self.optimizers[0], self.batch),
                                          (self.device, self.optimizers[1], self.batch_on_device)):
            optimizer.zero_grad()
            (batch @ weights[index]).square().mean().backward()
            optimizer.step()

    def load(self):
        index, w, d = self.pair()
        module, twin = torch.nn.Linear(64, 64, bias=False), torch.nn.Linear(64, 64, bias=False, device=DEV)
        module.weight, twin.weight = w, d
        state = {"weight": torch.randn(64, 64) / 8}
        module.load_state_dict(state)
        twin.load_state_dict(state)

    def free(self):
        index, _, _ = self.pair()
        value = torch.randn(64, 64) / 8
        self.cpu[index] = torch.nn.Parameter(value.clone())
        self.device[index] = torch.nn.Parameter(value.to(DEV))  # may take the freed memory
        self.optimizers = None

    def threads(self):
        torch.set_num_threads(self.random.choice([1, 2, 3]))

    def settings(self):
        self.random.choice([x.clear_packed_weights, lambda: x.set_packing(True, 64 * 64 * 4 * 2),
                            lambda: x.set_packing(True)])()

    def run(self, steps):
        names = ["use"] * 12 + ["write"] * 5 + ["step", "load", "free", "threads", "settings"]
        before = torch.get_num_threads()
        history = []
        try:
            for _ in range(steps):
                history.append(self.random.choice(names))
                getattr(self, history[-1])()
        except AssertionError as error:
            raise AssertionError(f"after {history[-12:]}: {error}") from None
        finally:
            torch.set_num_threads(before)
            x.set_packing(True)


@pytest.mark.parametrize("seed", range(10))
def test_random_programs(seed):
    """10,000 random steps in all; a wrong result fails with the last steps before it."""
    Program(seed).run(1000)
    assert packed()["hits"] > 100 and packed()["written"] > 10
