"""What each model reaches of this machine's bounds, as a picture.

The bounds are measured in the same run: the rate of the fastest matrix product of 1024 x 1024
and 2048 x 2048 (torch's and the device's, weights kept packed), and the rate of a triad over arrays beyond the caches. A model's work is counted by
torch's FLOP counter; its traffic is the least there is: every weight read once, every operator's
result written once and read once.
"""

import json

from common import arguments, interleave, machine

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

CASES = [("bert-base-encoder", 1), ("bert-base-encoder", 8), ("gpt2", 1), ("llama-small", 1),
         ("vit-base", 1), ("resnet50", 1), ("resnet50", 16), ("mobilenet-v2", 1), ("unet", 1),
         ("lstm", 4), ("recommender", 128), ("perceptron", 64)]


class Traffic(TorchDispatchMode):
    """Bytes of the results of operators; views and in-place results count nothing."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        given = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs))
                 if isinstance(t, torch.Tensor)}
        for t in tree_leaves(result):
            if isinstance(t, torch.Tensor) and t.untyped_storage().data_ptr() not in given:
                self.bytes += t.numel() * t.element_size()
        return result


def bounds(device, dtype):
    """(FLOP/s of a matrix product, bytes/s of a triad), the better of the CPU's and the device's."""
    fastest = 0.0
    for n in (1024, 2048):
        sides = {}
        for where in ("cpu", device):
            a, b = (torch.randn(n, n, device=where, dtype=dtype or torch.float32) for _ in range(2))
            sides[where] = lambda a=a, b=b: torch.mm(a, b)
        with torch.inference_mode():
            fastest = max(fastest, 2 * n ** 3 / min(interleave(sides, 9, number=2).values()))
    x, y, z = (torch.randn(1 << 25) for _ in range(3))
    with torch.inference_mode():
        triad = interleave({"triad": lambda: torch.add(x, y, alpha=2.0, out=z)}, 9, number=1)
    return fastest, 3 * x.numel() * 4 / triad["triad"]


def count(model, inputs, dtype):
    """(FLOP, least bytes) of a forward pass."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(**inputs)
    with torch.inference_mode(), Traffic() as traffic:
        model(**inputs)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    scale = 0.5 if dtype is not None else 1.0  # autocast halves what products read and write
    return counter.get_total_flops(), scale * (weights + 2 * traffic.bytes)


def draw(points, limits, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cases = list(dict.fromkeys(p["case"] for p in points))
    lowest = min(p["intensity"] for p in points) / 2
    figure, axes = pyplot.subplots(1, len(limits), figsize=(6 * len(limits), 5), squeeze=False)
    for axis, (dtype, (flops, rate)) in zip(axes[0], limits.items()):
        xs = [2 ** (i / 4) for i in range(-12, 45)]
        axis.loglog(xs, [min(flops, x * rate) / 1e9 for x in xs], color="black", lw=1.2,
                    label=f"{flops / 1e9:.0f} GFLOP/s, {rate / 1e9:.0f} GB/s")
        for mark, engine in (("o", "xpu_lite"), ("x", "cpu")):
            chosen = [p for p in points if p["dtype"] == dtype and p["engine"] == engine]
            axis.loglog([p["intensity"] for p in chosen], [p["flops"] / 1e9 for p in chosen], mark,
                        color="#c44e52" if engine == "xpu_lite" else "#8c8c8c", label=engine)
            if engine == "xpu_lite":  # numbers: the names would lie on each other
                for p in chosen:
                    axis.annotate(str(cases.index(p["case"]) + 1),
                                  (p["intensity"], p["flops"] / 1e9), fontsize=8,
                                  xytext=(4, 3), textcoords="offset points")
        axis.set_xlim(lowest, 2 * max(p["intensity"] for p in points))
        axis.set_ylim(lowest * rate / 1e9, 1.5 * flops / 1e9)
        axis.set_title(dtype)
        axis.set_xlabel("FLOP per byte of least traffic")
        axis.set_ylabel("GFLOP/s")
        axis.legend(fontsize=8, loc="lower right")
        axis.grid(alpha=0.3, which="both")
    names = [f"{i}  {case}" for i, case in enumerate(cases, 1)]
    half = (len(names) + 1) // 2
    for row, some in enumerate((names[:half], names[half:])):
        figure.text(0.02, 0.05 - 0.035 * row, "     ".join(some), fontsize=8)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(path, dpi=110)


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=7)
    parser.add_argument("--only", default="", help="cases whose name has this part")
    parser.add_argument("--picture", default="roofline.png", help="where the picture goes")
    options = parser.parse_args()
    from torch_xpu_lite.bench import engines, models

    if options.threads:
        torch.set_num_threads(options.threads)
    for line in machine(options.device):
        print(f"  {line}")
    limits = {name: bounds(options.device, dtype) for name, dtype in engines.DTYPES.items()}
    for name, (flops, rate) in limits.items():
        print(f"  bound, {name}: {flops / 1e9:.0f} GFLOP/s, {rate / 1e9:.1f} GB/s")
    print(f"\n  {'case':24} {'dtype':9} {'engine':9} {'GFLOP/s':>8} {'GB/s':>6} {'of bound':>8}")
    points = []
    for name, batch in CASES:
        case = f"{name} b{batch}"
        if options.only not in case:
            continue
        model, inputs = models.load(name, batch)
        for dtype_name, dtype in engines.DTYPES.items():
            flops, traffic = count(model, inputs, dtype)
            sides = {"cpu": engines.stock(model, inputs, dtype, options.device),
                     "xpu_lite": engines.eager(model, inputs, dtype, options.device)}
            times = interleave(sides, options.rounds, at_least=0.01)
            peak, rate = limits[dtype_name]
            for engine, seconds in times.items():
                possible = min(peak, flops / traffic * rate)
                points.append({"case": case, "dtype": dtype_name, "engine": engine,
                               "seconds": seconds, "flops": flops / seconds,
                               "bytes": traffic / seconds, "intensity": flops / traffic,
                               "of_bound": flops / seconds / possible})
                print(f"  {case:24} {dtype_name:9} {engine:9} {flops / seconds / 1e9:8.0f} "
                      f"{traffic / seconds / 1e9:6.1f} {points[-1]['of_bound']:8.2f}", flush=True)
    draw(points, limits, options.picture)
    print(f"  drawn: {options.picture}")
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"machine": machine(options.device), "bounds": limits, "points": points},
                      out, indent=1)


if __name__ == "__main__":
    main()
