"""What collectives.py prints: tables, verdicts, the picture and the part of docs/benchmarks.md."""

import re

from ccl.calls import COLLECTIVES, elements

OURS = ("xpulite", "xpulite cpu")
BEGIN, END = "<!-- collectives:begin -->", "<!-- collectives:end -->"
COLOURS = {"xpulite": "#0b62c4", "xpulite cpu": "#5ab4e5", "gloo": "#d1495b", "oneccl": "#8a8d91"}


def seconds(value):
    for unit, scale in (("s", 1), ("ms", 1e-3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


def size(value):
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= scale:
            return f"{value // scale} {unit}"
    return f"{value} B"


def bandwidths(cell, side):
    """Bytes per second: of the algorithm (size over time) and of the bus (nccl-tests)."""
    factor = COLLECTIVES[cell["collective"]]
    if factor is None:
        return None, None
    moved = 4 * elements(cell["collective"], cell["bytes"], cell["ranks"])[0]
    algorithm = moved / cell["times"][side]["median"]
    return algorithm, algorithm * factor(cell["ranks"])


def median(cell, side):
    return cell["times"][side]["median"] if side in cell["times"] else None


def head(results):
    print(results["title"])
    for text in (*results["machine"], *results["notes"]):
        print(f"  {text}")


def line(cell):
    """One line as soon as a cell is measured."""
    times = ", ".join(f"{side} {seconds(t['median'])}" for side, t in cell["times"].items())
    print(f"  {cell['ranks']} ranks {cell['collective']:22} {size(cell['bytes']):>8}: {times}",
          flush=True)


def find(results, ranks, collective, size_bytes):
    for cell in results["cells"]:
        if (cell["ranks"], cell["collective"], cell["bytes"]) == (ranks, collective, size_bytes):
            return cell
    return None


def sides_in(results):
    return [s for s in COLOURS if any(s in cell["times"] for cell in results["cells"])]


def groups(results):
    """(ranks, collective, its cells) in the order measured."""
    found = {}
    for cell in results["cells"]:
        found.setdefault((cell["ranks"], cell["collective"]), []).append(cell)
    return [(ranks, name, cells) for (ranks, name), cells in found.items()]


def tables(results):
    """One table per collective and number of ranks: median times, GB/s of algorithm and bus."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 140)
    sides = sides_in(results)
    for ranks, name, cells in groups(results):
        table = Table(title=f"{name}, {ranks} ranks", title_justify="left", title_style="bold")
        table.add_column("size", justify="right")
        for side in sides:
            table.add_column(side, justify="right")
            if name != "barrier":
                table.add_column("alg / bus GB/s", justify="right", style="dim")
        if "gloo" in sides and OURS[0] in sides:
            table.add_column("gloo / xpulite", justify="right")
        for cell in cells:
            row = [size(cell["bytes"]) if cell["bytes"] else ""]
            for side in sides:
                time = median(cell, side)
                row.append(seconds(time) if time else "-")
                if name != "barrier":
                    row.append("{:.2f} / {:.2f}".format(*(
                        b / 1e9 for b in bandwidths(cell, side))) if time else "")
            ratio = against_gloo(cell)
            if ratio:
                row.append(f"[{'green' if ratio >= 1 else 'red'}]{ratio:.1f}[/]")
            table.add_row(*row)
        console.print(table)


def against_gloo(cell, side=OURS[0]):
    """gloo's time over ours: above 1 is faster than gloo."""
    ours, gloo = median(cell, side), median(cell, "gloo")
    return gloo / ours if ours and gloo else None


def bound(cell, loops=("copy", "triad")):
    """(seconds, bytes per second of all ranks, loop): what an all_reduce must take if every rank
    reads its buffer once and writes it once, at the speed of the fastest of these plain loops
    over cold memory when all ranks run it at once."""
    loop = max(loops, key=lambda name: cell["memory"][name])
    speed = cell["memory"][loop]
    return 2 * cell["bytes"] / speed, speed * cell["ranks"], loop


def verdicts(results):
    for passed, text in judged(results):
        print(f"  {'ok  ' if passed else 'MISS'} {text}")


def judged(results):
    """[(passed, text)] for what the project promises; what was not measured is left out."""
    found = []
    large = find(results, 2, "all_reduce", 64 << 20)
    if large and against_gloo(large):
        ratio = against_gloo(large)
        found.append((ratio >= 5, f"all_reduce 64 MiB, 2 ranks: {ratio:.1f} times gloo's speed "
                                  f"(at least 5)"))
    if large and large.get("memory") and median(large, OURS[0]):
        took = median(large, OURS[0])
        least, speed, loop = bound(large)
        strict, in_place, _ = bound(large, ["scale"])
        found.append((least / took >= 0.6, (
            f"all_reduce 64 MiB, 2 ranks: {least / took:.0%} of what memory permits (at least 60%):"
            f"\n         {seconds(took)}; 2 ranks x (64 MiB read + 64 MiB written) take "
            f"{seconds(least)} at the {speed / 1e9:.1f} GB/s of {loop}"
            f"\n         (at the {in_place / 1e9:.1f} GB/s of scaling in place {seconds(strict)}, "
            f"of which it is {strict / took:.0%})")))
    small = find(results, 2, "all_reduce", 8)
    if small and against_gloo(small):
        ratio = against_gloo(small)
        found.append((ratio > 20, f"all_reduce 8 B, 2 ranks: 1/{ratio:.1f} of gloo's time "
                                  f"(under 1/20)"))
    compared = [(cell, side) for cell in results["cells"] for side in OURS
                if against_gloo(cell, side)]
    slower = [(cell, side) for cell, side in compared if against_gloo(cell, side) < 1]
    if compared:
        text = f"never slower than gloo: {len(slower)} of {len(compared)} are"
        for cell, side in slower:
            text += (f"\n         {cell['ranks']} ranks {cell['collective']} "
                     f"{size(cell['bytes'])}, {side}: {seconds(median(cell, side))}, "
                     f"gloo {seconds(median(cell, 'gloo'))}")
        found.append((not slower, text))
    return found


def page(results, path):
    """Replaces the marked part of docs/benchmarks.md."""
    def table(header, rows):
        lines = ["| " + " | ".join(header) + " |", "|" + " ---: |" * len(header)]
        return lines + ["| " + " | ".join(row) + " |" for row in rows]

    lines = ["`benchmarks/collectives.py`" + (f" ({results['minutes']} minutes)"
                                              if "minutes" in results else ""), "",
             "```", results["title"], *(f"  {m}" for m in results["machine"]), ""]
    lines += [f"  {'ok  ' if passed else 'MISS'} {text}" for passed, text in judged(results)]
    lines += ["```", "", "![time of every collective over size](collectives.png)", ""]
    sides = sides_in(results)
    for ranks, name, cells in groups(results):
        if name != "all_reduce":
            continue
        lines += [f"`all_reduce`, {ranks} ranks: time, and bus bandwidth in GB/s", ""]
        lines += table(["size", *sides], [
            [size(cell["bytes"])] + [
                f"{seconds(median(cell, s))} ({bandwidths(cell, s)[1] / 1e9:.2f})"
                if median(cell, s) else "-" for s in sides] for cell in cells])
        lines.append("")
    for ranks in sorted({cell["ranks"] for cell in results["cells"]}):
        of_ranks = [(name, {c["bytes"]: c for c in cells}) for r, name, cells in groups(results)
                    if r == ranks]
        sizes = sorted({s for name, cells in of_ranks for s in cells if name != "barrier"})
        lines += [f"gloo's time over this one's (tensors of the device), {ranks} ranks", ""]
        rows = []
        for name, cells in of_ranks:
            ratios = [cells[s] if s in cells else None
                      for s in ([0] if name == "barrier" else sizes)]
            texts = [f"{against_gloo(c):.1f}" if c and against_gloo(c) else "" for c in ratios]
            rows.append([f"`{name}`", *texts, *[""] * (len(sizes) - len(texts))])
        lines += table(["", *(size(s) for s in sizes)], rows) + [""]
    text = path.read_text()
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.S)
    if not pattern.search(text):
        raise SystemExit(f"{path} has no {BEGIN} ... {END}")
    new = BEGIN + "\n" + "\n".join(lines).rstrip() + "\n" + END
    path.write_text(pattern.sub(lambda _: new, text))


def picture(results, path):
    """Time over size, log-log: one panel per collective, a line per side, a style per number of
    ranks; then the bus bandwidth of all_reduce."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [n for n in COLLECTIVES if n != "barrier"
             and any(c["collective"] == n for c in results["cells"])]
    ranks, sides = sorted({cell["ranks"] for cell in results["cells"]}), sides_in(results)
    styles = dict(zip(ranks, ("-", "--", ":", "-.")))
    panels = [(name, ranks, "time") for name in names]
    panels += [("all_reduce", [r], "bandwidth") for r in ranks if "all_reduce" in names]
    columns = min(len(panels), 5) or 1
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.4 * rows + 0.4),
                                squeeze=False, layout="constrained")
    axes = list(axes.flat)
    values = {"time": lambda c, side: median(c, side) * 1e6,
              "bandwidth": lambda c, side: bandwidths(c, side)[1] / 1e9}
    every = [values["time"](c, s) for c in results["cells"] for s in c["times"]]
    for i, (axis, (name, counts, kind)) in enumerate(zip(axes, panels)):
        for r in counts:
            for side in sides:
                cells = [c for c in results["cells"] if side in c["times"]
                         and (c["ranks"], c["collective"]) == (r, name)]
                axis.plot([c["bytes"] for c in cells], [values[kind](c, side) for c in cells],
                          styles[r], color=COLOURS[side], linewidth=1.3)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlim(6, 350 << 20)
        axis.set_xticks([8, 1 << 10, 128 << 10, 16 << 20], ["8 B", "1 KiB", "128 K", "16 MiB"])
        if kind == "time":
            axis.set_ylim(min(every) / 2, max(every) * 2)
        axis.minorticks_off()
        axis.grid(color="#e4e4e4", linewidth=0.6)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_title(name if kind == "time" else f"{name}, bus bandwidth, {counts[0]} ranks",
                       fontsize=8.5)
        if i % columns == 0 or kind != "time":
            axis.set_ylabel("microseconds" if kind == "time" else "GB/s", fontsize=7)
    for axis in axes[len(panels):]:
        axis.axis("off")
    handles = [plt.Line2D([], [], color=COLOURS[s]) for s in sides]
    handles += [plt.Line2D([], [], color="#444", linestyle=styles[r]) for r in ranks]
    figure.legend(handles, [*sides, *(f"{r} ranks" for r in ranks)],
                  loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    figure.savefig(path, dpi=80)
    plt.close(figure)
