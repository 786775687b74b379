"""The checks of ``xpu-lite doctor --gpu``: each is a function that runs in a process
of its own, prints what it found, and raises when something is wrong.

    python -m torch_xpu_lite._gpu_steps STEP
"""

import sys
import time

import torch

DEVICE = "xpu_lite"


def _sync():
    torch.xpu_lite.synchronize()


def _check(what, got, expected, tolerance):
    got, expected = got.detach().cpu(), expected.detach()
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise AssertionError(f"{what}: {tuple(got.shape)} {got.dtype}, expected "
                             f"{tuple(expected.shape)} {expected.dtype}")
    if got.dtype.is_floating_point or got.dtype.is_complex:
        wide = torch.complex128 if got.dtype.is_complex else torch.float64
        scale = expected.to(wide).abs().max().item() if expected.numel() else 0
        difference = (got.to(wide) - expected.to(wide)).abs().max().item() if got.numel() else 0
        if not difference <= tolerance * max(scale, 1):
            raise AssertionError(f"{what}: differs from the CPU by {difference:.3g}")
    elif not torch.equal(got, expected):
        raise AssertionError(f"{what}: {(got != expected).sum().item()} of {got.numel()} differ")


def _all(checks):
    """Runs (name, function) pairs; all of them, also after a failure."""
    failed = []
    for name, check in checks:
        try:
            text = check()
            print(f"ok      {name}" + (f": {text}" if text else ""), flush=True)
        except Exception as error:
            failed.append(name)
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
    if failed:
        raise SystemExit(f"{len(failed)} failed: {', '.join(failed)}")


def first_use():
    """how long the first operator of a process takes"""
    start = time.perf_counter()
    value = (torch.ones(4, device=DEVICE) + 1).cpu()
    _check("ones + 1", value, torch.full((4,), 2.0), 0)
    print(f"first use: {time.perf_counter() - start:.3f} s after `import torch`")


def memory():
    """memory and copies"""
    def round_trip(pinned):
        x = torch.randn(1 << 20, pin_memory=pinned)
        y = x.to(DEVICE, non_blocking=pinned)
        _sync()
        _check("copy", y, x, 0)

    def fill():
        _check("fill", torch.full((1 << 20,), 3.5, device=DEVICE), torch.full((1 << 20,), 3.5), 0)

    def large():
        free, _ = torch.xpu_lite.mem_get_info()
        count = (5 << 30) // 2
        if free < (6 << 30):
            return f"left out: {free / 2**30:.1f} GiB are free, 6 are needed"
        x = torch.zeros(count, dtype=torch.int16, device=DEVICE)
        x[-5:] = 7
        _check("the end of 5 GiB", x[-6:], torch.tensor([0, 7, 7, 7, 7, 7], dtype=torch.int16), 0)
        return "5 GiB in one tensor"

    def too_much():
        _, total = torch.xpu_lite.mem_get_info()
        try:
            torch.empty(total * 4, dtype=torch.uint8, device=DEVICE)
        except torch.OutOfMemoryError as error:
            return str(error).splitlines()[0]
        raise AssertionError("four times the device's memory was handed out")

    _all([("copies", lambda: round_trip(False)), ("copies from pinned memory", lambda: round_trip(True)),
          ("fill", fill), ("more than 4 GiB", large), ("out of memory", too_much)])


def streams():
    """streams and events"""
    def order():
        x = torch.zeros(1 << 16, device=DEVICE)
        for _ in range(200):
            x += 1
        _check("200 additions", x, torch.full((1 << 16,), 200.0), 0)

    def two():
        side, x = torch.xpu_lite.Stream(), torch.zeros(1 << 20, device=DEVICE)
        for _ in range(20):
            x += 1
            side.wait_stream(torch.xpu_lite.current_stream())
            with torch.xpu_lite.stream(side):
                x *= 2
            torch.xpu_lite.current_stream().wait_stream(side)
        expected = torch.zeros(())
        for _ in range(20):
            expected = (expected + 1) * 2
        _check("two streams in turn", x, expected.expand(1 << 20).clone(), 0)

    def times():
        begin, end = (torch.xpu_lite.Event(enable_timing=True) for _ in range(2))
        x = torch.randn(1 << 24, device=DEVICE)
        begin.record()
        for _ in range(10):
            x = x * 1.0001
        end.record()
        end.synchronize()
        milliseconds = begin.elapsed_time(end)
        if not 0 < milliseconds < 60000:
            raise AssertionError(f"elapsed_time is {milliseconds}")
        return f"10 multiplications of 64 MiB: {milliseconds:.2f} ms"

    _all([("order in a stream", order), ("two streams", two), ("times of events", times)])


def dtypes():
    """every dtype"""
    floats = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
    others = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
              torch.complex64, torch.complex128]
    properties = torch.xpu_lite.get_device_properties(0)
    missing = set()
    if not properties.has_fp64:
        missing |= {torch.float64, torch.complex128}
    if not properties.has_fp16:
        missing |= {torch.float16}

    def one(dtype):
        generator = torch.Generator().manual_seed(1)
        x = (torch.randn(1000, 33, generator=generator) * 8).to(dtype)
        y = (torch.randn(1000, 33, generator=generator) * 8).to(dtype)
        tolerance = {torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.float64: 1e-12,
                     torch.complex128: 1e-12}.get(dtype, 1e-5)
        if dtype in missing:
            try:
                (x.to(DEVICE) + y.to(DEVICE)).cpu()
            except (RuntimeError, TypeError) as error:
                return f"refused, as it should be: {error}"
            raise AssertionError("the device does not have it, and no error came")
        _check("add", x.to(DEVICE) + y.to(DEVICE), x + y, tolerance)
        _check("transposed multiply", x.to(DEVICE).t() * y.to(DEVICE).t(), x.t() * y.t(), tolerance)
        _check("sum", x.to(DEVICE).sum(0), x.sum(0), tolerance * 30)
        _check("compare", x.to(DEVICE) == y.to(DEVICE), x == y, 0)
        if not dtype.is_complex:
            _check("convert", x.to(DEVICE).to(torch.float32), x.to(torch.float32), tolerance)

    _all([(str(d), lambda d=d: one(d)) for d in floats + others])


def kernels():
    """families of kernels"""
    generator = torch.Generator().manual_seed(2)
    functional = torch.nn.functional

    def same(run, *shapes, tolerance=1e-4):
        inputs = [torch.randn(shape, generator=generator) for shape in shapes]
        expected = run(*inputs)
        got = run(*[x.to(DEVICE) for x in inputs])
        pairs = zip(got, expected) if isinstance(got, (tuple, list)) else [(got, expected)]
        for i, (a, b) in enumerate(pairs):
            _check(f"result {i}", a, b, tolerance)

    index = torch.randint(0, 300, (4000,), generator=generator)
    sizes = [(1, 1), (3, 5), (7, 31), (64, 1000), (1000, 64), (2, 100003)]
    checks = []
    for size in sizes:
        name = f"{size[0]}x{size[1]}"
        checks += [
            (f"sum {name}", lambda s=size: same(lambda x: (x.sum(), x.sum(0), x.mean(1)), s)),
            (f"max, argmax {name}", lambda s=size: same(lambda x: x.max(1), s, tolerance=0)),
            (f"softmax {name}", lambda s=size: same(lambda x: x.softmax(-1), s)),
            (f"cumsum {name}", lambda s=size: same(lambda x: x.cumsum(1), s, tolerance=1e-3)),
            (f"layer_norm {name}", lambda s=size: same(
                lambda x: functional.layer_norm(x, x.shape[1:]), s, tolerance=1e-3)),
            (f"sort {name}", lambda s=size: same(lambda x: x.sort(dim=1, stable=True), s, tolerance=0)),
        ]
    checks += [
        ("index_add", lambda: same(lambda x, y: x.index_add(0, index.to(x.device), y),
                                   (300, 20), (4000, 20))),
        ("index, gather", lambda: same(lambda x: (x[index.to(x.device)], x.gather(
            0, index[:20].to(x.device).expand(5, 20))), (300, 20), tolerance=0)),
        ("nonzero", lambda: same(lambda x: (x > 1).nonzero(), (100, 77), tolerance=0)),
        ("cat", lambda: same(lambda x, y: torch.cat([x, y], 1), (50, 3), (50, 70), tolerance=0)),
        ("matmul", lambda: same(lambda x, y: x @ y, (257, 129), (129, 65))),
        ("bmm", lambda: same(lambda x, y: x @ y, (8, 33, 65), (8, 65, 17))),
        ("conv2d", lambda: same(lambda x, w: functional.conv2d(x, w, padding=1),
                                (2, 16, 30, 30), (32, 16, 3, 3))),
        ("max_pool2d", lambda: same(lambda x: functional.max_pool2d(x, 3, 2), (2, 8, 31, 31))),
        ("interpolate", lambda: same(lambda x: functional.interpolate(
            x, scale_factor=2, mode="bilinear"), (2, 3, 15, 15))),
        ("batch_norm", lambda: same(lambda x: functional.batch_norm(
            x, None, None, training=True), (8, 5, 12, 12), tolerance=1e-3)),
        ("attention", lambda: same(lambda q, k, v: functional.scaled_dot_product_attention(
            q, k, v, is_causal=True), *[(2, 4, 100, 64)] * 3, tolerance=1e-3)),
        ("cross_entropy", lambda: same(lambda x: functional.cross_entropy(
            x, (index[:100] % 50).to(x.device)), (100, 50))),
    ]

    def random_numbers():
        torch.manual_seed(3)
        x = torch.randn(1 << 20, device=DEVICE)
        if not (abs(x.mean().item()) < 0.01 and abs(x.std().item() - 1) < 0.01):
            raise AssertionError(f"randn: mean {x.mean().item()}, deviation {x.std().item()}")

    _all(checks + [("random numbers", random_numbers)])


def training():
    """training a small network"""
    def losses(device):
        torch.manual_seed(4)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
            torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(8 * 49, 32), torch.nn.GELU(),
            torch.nn.LayerNorm(32), torch.nn.Linear(32, 10))
        x, y = torch.randn(64, 1, 14, 14), torch.randint(0, 10, (64,))
        net, x, y = net.to(device), x.to(device), y.to(device)
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
        found = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.detach())
        return torch.stack(found).cpu()

    got, expected = losses(DEVICE), losses("cpu")
    print(f"losses {got[0]:.4f} ... {got[-1]:.4f}; of the CPU {expected[0]:.4f} ... {expected[-1]:.4f}")
    _check("losses", got, expected, 1e-2)


def speed():
    """speed"""
    def seconds(run, repeat=5):
        run()
        _sync()
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            run()
            _sync()
            times.append(time.perf_counter() - start)
        return sorted(times)[repeat // 2]

    free, _ = torch.xpu_lite.mem_get_info()
    count = min(1 << 26, free // 32)
    a, b = torch.randn(count, device=DEVICE), torch.randn(count, device=DEVICE)
    out = torch.empty_like(a)
    size = count * 4
    for name, run, moved in [
        ("add", lambda: torch.add(a, b, out=out), 3 * size),
        ("copy", lambda: out.copy_(a), 2 * size),
        ("convert to bfloat16", lambda: a.to(torch.bfloat16), size * 3 // 2),
        ("sum", lambda: a.sum(), size),
        ("softmax of rows of 4096", lambda: a[: count // 4096 * 4096].view(-1, 4096).softmax(1), 2 * size),
        ("transpose", lambda: out[: 1 << 24].view(4096, 4096).copy_(a[: 1 << 24].view(4096, 4096).t())
         if count >= 1 << 24 else None, 2 << 26),
    ]:
        print(f"{name}: {moved / seconds(run) / 1e9:.1f} GB/s")
    for dtype in (torch.float32, torch.bfloat16):
        n = 2048
        x, y = (torch.randn(n, n, device=DEVICE).to(dtype) for _ in range(2))
        print(f"matmul {n} {dtype}: {2 * n**3 / seconds(lambda: x @ y) / 1e9:.0f} GFLOP/s")
    small = torch.zeros(16, device=DEVICE)

    def many():
        for _ in range(1000):
            small.add_(1)

    many()
    _sync()
    start = time.perf_counter()
    many()
    host = time.perf_counter() - start
    _sync()
    print(f"add_ of 16 elements: {host * 1e3:.1f} us on the host, "
          f"{(time.perf_counter() - start) * 1e3:.1f} us until done")
    pinned = torch.empty(1 << 26, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(1 << 26, dtype=torch.uint8, device=DEVICE)
    print(f"pinned to device: {2**26 / seconds(lambda: there.copy_(pinned)) / 1e9:.1f} GB/s")
    print(f"device to pinned: {2**26 / seconds(lambda: pinned.copy_(there)) / 1e9:.1f} GB/s")


STEPS = {step.__name__: step
         for step in (first_use, memory, streams, dtypes, kernels, training, speed)}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
