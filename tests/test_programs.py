"""Whole programs, as they come from torch.cuda or the CPU with one string changed.

Each is a function of the device's name. It takes its numbers from the CPU's random
generator, so that both devices must give the same results.
"""

import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from engine import several
from process import check, run
from torch import nn


def data(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mlp(device, *sizes):
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(device)


def grads(module):
    return [p.grad for p in module.parameters()]


def gan(device):
    make, judge = mlp(device, 4, 16, 8), mlp(device, 8, 16, 1)
    optimizers = [torch.optim.Adam(m.parameters(), 1e-3, betas=(0.5, 0.999))
                  for m in (make, judge)]
    one, losses = torch.ones(8, 1, device=device), []
    for step in range(4):
        real, noise = data(8, 8, seed=step).to(device), data(8, 4, seed=step).to(device)
        bce = F.binary_cross_entropy_with_logits
        optimizers[1].zero_grad()
        loss = bce(judge(real), one) + bce(judge(make(noise).detach()), torch.zeros_like(one))
        loss.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        fooled = bce(judge(make(noise)), one)
        fooled.backward()
        optimizers[0].step()
        losses += [loss.item(), fooled.item()]
    return losses, list(make.parameters())


def gradient_penalty(device):
    judge = mlp(device, 8, 16, 1)
    x = data(8, 8).to(device).requires_grad_()
    grad, = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    ((grad.norm(2, dim=1) - 1) ** 2).mean().backward()
    return grads(judge)


def language_model(device):
    embed, rnn = nn.Embedding(20, 8).to(device), nn.LSTM(8, 12, 2, batch_first=True).to(device)
    head = nn.Linear(12, 20).to(device)
    parameters = [*embed.parameters(), *rnn.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, 0.5, momentum=0.9, nesterov=True)
    state, results = None, []
    for step in range(4):
        tokens = torch.randint(20, (3, 7), generator=torch.Generator().manual_seed(step))
        tokens = tokens.to(device)
        out, state = rnn(embed(tokens[:, :-1]), state)
        state = tuple(s.detach() for s in state)
        loss = F.cross_entropy(head(out).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        results += [loss.item(), nn.utils.clip_grad_norm_(parameters, 0.25).item()]
        optimizer.step()
    return results


def packed_sequences(device):
    xs = [data(n, 6, seed=n).to(device) for n in (3, 5, 2)]
    rnn = nn.GRU(6, 8, bidirectional=True).to(device)
    packed = nn.utils.rnn.pack_sequence(xs, enforce_sorted=False)
    out, hidden = rnn(packed)
    padded, lengths = nn.utils.rnn.pad_packed_sequence(out)
    padded.sum().backward()
    return padded, lengths, hidden, grads(rnn)


def per_sample_gradients(device):
    from torch.func import functional_call, grad, hessian, vmap

    model = mlp(device, 4, 8, 1)
    parameters = {k: v.detach() for k, v in model.named_parameters()}
    x, y = data(5, 4).to(device), data(5).to(device)

    def loss(p, x, y):
        return F.mse_loss(functional_call(model, p, (x[None],)), y[None, None])

    return (vmap(grad(loss), (None, 0, 0))(parameters, x, y),
            hessian(lambda t: (t.sin() * t).sum())(x[0]))


def sparse_embedding(device):
    table = nn.Embedding(10, 3, sparse=True).to(device)
    optimizer = torch.optim.SparseAdam(list(table.parameters()), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        table(torch.tensor([1, 2, 2], device=device)).pow(2).sum().backward()
        optimizer.step()
    return table.weight, table.weight.grad.coalesce().values()


def traced_network(device):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
                          nn.ConvTranspose2d(4, 2, 2), nn.Flatten(), nn.Linear(50, 2))
    model = model.to(device).eval()
    x, y = data(1, 3, 6, 6).to(device), data(1, 3, 6, 6, seed=1).to(device)
    traced = torch.jit.trace(model, x)
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    loaded = torch.jit.load(file, map_location=device)
    frozen = torch.jit.freeze(traced)
    return [m(y) for m in (model, traced, traced, traced, loaded, frozen, frozen, frozen)]


def exported_network(device):
    model = mlp(device, 4, 8, 2).eval()
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(model, (data(3, 4).to(device),), dynamic_shapes=({0: batch},))
    return program.module()(data(5, 4, seed=1).to(device))


def resumed_training(device):
    def make():
        torch.manual_seed(0)
        model = mlp(device, 4, 8, 2)
        return model, torch.optim.AdamW(model.parameters(), 1e-2)

    def step(model, optimizer, seed):
        optimizer.zero_grad()
        F.mse_loss(model(data(4, 4, seed=seed).to(device)),
                   data(4, 2, seed=seed).to(device)).backward()
        optimizer.step()

    model, optimizer = make()
    step(model, optimizer, 0)
    file = io.BytesIO()
    torch.save([model.state_dict(), optimizer.state_dict()], file)
    step(model, optimizer, 1)
    again, optimizer = make()
    file.seek(0)
    state = torch.load(file, map_location="cpu", weights_only=True)
    again.load_state_dict(state[0])
    optimizer.load_state_dict(state[1])
    step(again, optimizer, 1)
    for a, b in zip(model.parameters(), again.parameters()):
        assert torch.equal(a, b)
    return list(pickle.loads(pickle.dumps(again)).parameters())


def mixed_precision(device):
    model, losses = mlp(device, 8, 16, 4), []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler(device, init_scale=256.0)
    for step in range(4):
        with torch.autocast(device, torch.bfloat16):
            out = model(data(4, 8, seed=step).to(device))
        loss = F.cross_entropy(out.float(), torch.arange(4, device=device))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses, scaler.get_scale()


PROGRAMS = [gan, gradient_penalty, language_model, packed_sequences, per_sample_gradients,
            sparse_embedding, traced_network, exported_network, resumed_training,
            mixed_precision]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program, device):
    results = {}
    for name in ("cpu", device):
        torch.manual_seed(0)
        results[name] = program(name)
    tolerance = {"atol": 2e-3, "rtol": 2e-3} if program is mixed_precision else {}
    torch.testing.assert_close(results[device], results["cpu"], check_device=False, **tolerance)
    for tensor in torch.utils._pytree.tree_leaves(results[device]):
        if isinstance(tensor, torch.Tensor) and program is not packed_sequences:
            assert tensor.device.type == device


def test_threads_train_their_own_models(device):
    from concurrent.futures import ThreadPoolExecutor

    def train(seed, stream=None):
        with torch.xpu_lite.stream(stream):
            generator = torch.Generator().manual_seed(seed)
            weight = torch.randn(8, 8, generator=generator).to(device).requires_grad_()
            optimizer = torch.optim.AdamW([weight], 1e-2, foreach=True)
            for _ in range(30):
                x = torch.randn(16, 8, generator=generator).to(device)
                optimizer.zero_grad()
                F.gelu(x @ weight).softmax(-1).pow(2).sum().backward()
                optimizer.step()
            return weight.detach().cpu()

    alone = [train(seed) for seed in range(4)]
    for streams in ([None] * 4, [torch.xpu_lite.Stream() for _ in range(4)]):
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(train, range(4), streams))
        torch.testing.assert_close(together, alone)


def test_a_stream_that_is_never_synchronised_fits_in_little_memory():
    # Queued work owns its tensors; the queue must not grow without end.
    check("""
        import torch
        with torch.xpu_lite.stream(torch.xpu_lite.Stream()):
            a = torch.randn(128, 128, device="xpu_lite")
            for _ in range(2000):
                a = a @ a
                a = a / a.norm()
        torch.xpu_lite.synchronize()
        assert torch.isfinite(a).all()
        """, XPU_LITE_MEMORY_LIMIT="64M")


def test_data_parallel_splits_the_batch():
    check("""
        import copy, torch
        from torch import nn
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).to("xpu_lite")
        plain = copy.deepcopy(model)
        parallel = nn.DataParallel(model)
        assert parallel.device_ids == [0, 1, 2]
        for x in (torch.randn(7, 4), torch.randn(7, 4, device="xpu_lite")):
            model.zero_grad(), plain.zero_grad()
            out, expected = parallel(x), plain(x.to("xpu_lite"))
            assert out.device == torch.device("xpu_lite:0")
            torch.testing.assert_close(out, expected)
            out.pow(2).sum().backward(), expected.pow(2).sum().backward()
            for p, q in zip(model.parameters(), plain.parameters()):
                torch.testing.assert_close(p.grad, q.grad)
        """, XPU_LITE_DEVICES=several(3))


def test_data_parallel_with_one_device(device):
    model = nn.Linear(4, 2)
    x = torch.randn(3, 4)
    expected = model(x)
    out = nn.DataParallel(model)(x)
    assert out.device.type == device
    torch.testing.assert_close(out.cpu(), expected)


@pytest.mark.parametrize("ending", ["pass", "del s, a; sys.exit(0)"])
def test_a_program_ends_silently(ending):
    result = run(f"""
        import sys, torch
        model = torch.nn.Linear(30, 30).to("xpu_lite")
        model(torch.ones(4, 30, device="xpu_lite")).sum().backward()
        s = torch.xpu_lite.Stream()
        with torch.xpu_lite.stream(s):
            a = torch.randn(300, 300, device="xpu_lite")
            for _ in range(50):
                a = a @ a * 0.01
        {ending}
        """)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
