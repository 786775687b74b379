"""The command ``xpu-lite bench``."""

import json
import sys

DESCRIPTION = """\
Times one forward pass of a model on the device, on torch's CPU device and, where they are
installed, by OpenVINO and ONNX Runtime: in turns, medians, with the difference to the CPU's
float32 result."""


def add_arguments(parser) -> None:
    """The options of the command."""
    parser.add_argument("model", nargs="?", metavar="MODEL",
                        help="a name (--list), or FILE.py:FUNCTION that returns (model, inputs)")
    parser.add_argument("--list", action="store_true", help="the names of models, and nothing else")
    parser.add_argument("--batch", type=int, help="entries of a batch (default: the model's)")
    parser.add_argument("--dtypes", default="float32,bfloat16",
                        help="float32, bfloat16 (autocast) or both (default)")
    parser.add_argument("--engines", help="which of cpu, xpu_lite, optimized, inductor, openvino, "
                                          "onnxruntime (default: all but inductor)")
    parser.add_argument("--rounds", type=int, default=11, help="turns (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of every engine")
    parser.add_argument("--picture", metavar="FILE.png",
                        help="draws the times (needs matplotlib: pip install matplotlib)")
    parser.add_argument("--json", metavar="FILE", help="also writes the numbers")


def compare(model, inputs, dtype_names, names, rounds, device="xpu_lite", note=print):
    """Rows of the report: dicts of dtype, engine, median seconds, ratio to the first engine and
    relative difference of the result to the CPU's in float32."""
    import torch

    from torch_xpu_lite.bench import engines
    from torch_xpu_lite.bench.timing import interleave, median

    reference = engines.tensor_of(engines.stock(model, inputs, None, device)()).float()
    rows = []
    for dtype_name in dtype_names:
        sides = {}
        for name in names:
            try:
                with engines.quiet():
                    run = engines.ENGINES[name](model, inputs, engines.DTYPES[dtype_name], device)
                    run()
                sides[name] = run
            except Exception as error:  # another engine's failure is a line of the report
                if name in ("cpu", "xpu_lite", "optimized"):
                    raise
                note(f"{name}, {dtype_name}: left out: {type(error).__name__}: "
                     f"{str(error).splitlines()[0] if str(error) else ''}")
        differences = {}
        for name, run in sides.items():
            value = engines.tensor_of(run()).cpu().float()
            differences[name] = float(torch.linalg.vector_norm(value - reference) /
                                      torch.linalg.vector_norm(reference).clamp_min(1e-30))
        times = interleave(sides, rounds)
        first = median(times[next(iter(sides))])
        for name in sides:
            rows.append({"dtype": dtype_name, "engine": name, "seconds": median(times[name]),
                         "best": min(times[name]), "ratio": median(times[name]) / first,
                         "difference": differences[name]})
    return rows


def show(rows) -> None:
    print(f"  {'dtype':10} {'engine':12} {'median ms':>10} {'best ms':>9} {'of cpu':>7} "
          f"{'difference':>11}")
    for row in rows:
        print(f"  {row['dtype']:10} {row['engine']:12} {row['seconds'] * 1e3:10.2f} "
              f"{row['best'] * 1e3:9.2f} {row['ratio']:7.2f} {row['difference']:11.1e}")


def draw(rows, title: str, path: str) -> None:
    """Bars of the medians, a group for each dtype."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    dtypes = list(dict.fromkeys(row["dtype"] for row in rows))
    figure, axes = pyplot.subplots(1, len(dtypes), figsize=(4.5 * len(dtypes), 3.2), squeeze=False)
    for axis, dtype in zip(axes[0], dtypes):
        chosen = [row for row in rows if row["dtype"] == dtype]
        bars = axis.barh([row["engine"] for row in chosen], [row["seconds"] * 1e3 for row in chosen],
                         color=["#c44e52" if "xpu" in row["engine"] or row["engine"] == "optimized"
                                else "#8c8c8c" for row in chosen])
        axis.bar_label(bars, fmt="%.1f", padding=2)
        axis.margins(x=0.15)
        axis.invert_yaxis()
        axis.set_xlabel("ms, median")
        axis.set_title(dtype)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def run(options, parser) -> int:
    """Runs the command; returns its exit status."""
    from torch_xpu_lite.bench import engines, models

    if options.list:
        print("\n".join(models.CASES))
        return 0
    if not options.model:
        parser.error("a model is missing; --list names those there are")
    names = options.engines.split(",") if options.engines else engines.DEFAULT
    dtypes = options.dtypes.split(",")
    for value, known, option in ((names, engines.ENGINES, "--engines"),
                                 (dtypes, engines.DTYPES, "--dtypes")):
        for name in value:
            if name not in known:
                parser.error(f"{option}: {name!r} is none of {', '.join(known)}")
    if options.rounds < 1 or (options.batch is not None and options.batch < 1) or \
            (options.threads is not None and options.threads < 1):
        parser.error("--rounds, --batch and --threads are at least 1")
    if options.picture:
        import importlib.util

        if importlib.util.find_spec("matplotlib") is None:
            parser.error("--picture needs matplotlib: pip install matplotlib")
    import torch

    from torch_xpu_lite import _loader

    _loader.load()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        model, inputs = models.load(options.model, options.batch)
    except (ValueError, ImportError) as error:
        print(f"xpu-lite bench: {error}", file=sys.stderr)
        return 2
    present = []
    for name in names:
        reason = engines.missing(name)
        if reason:
            print(f"{reason}: left out")
        else:
            present.append(name)
    parameters = sum(p.numel() for p in model.parameters())
    title = f"{options.model}, {parameters / 1e6:.1f} million parameters"
    print(f"{title}; {torch.xpu_lite.get_device_name()}, {torch.get_num_threads()} threads, torch "
          f"{torch.__version__}")
    rows = compare(model, inputs, dtypes, present, options.rounds)
    show(rows)
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"model": options.model, "rows": rows}, out, indent=1)
    if options.picture:
        draw(rows, title, options.picture)
        print(f"drawn: {options.picture}")
    return 0
