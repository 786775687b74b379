"""The picture of benchmarks/sycl.py's results."""


def draw(result, path):
    """Bars of each case relative to its reference; 1 is the reference, a line its limit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [r for r in result["rows"] if r["limit"] is not None and r["unit"] == "share"]
    slow = [r for r in result["rows"] if r["limit"] is not None and r["unit"] == "ratio"]
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 0.28 * max(len(rows), 6) + 1.2),
                                   width_ratios=(3, 1))
    for axis, some, title, good in (
            (axes[0], rows, "speed relative to the reference (more is better)", lambda v, l: v >= l),
            (axes[1], slow, "time relative to the host engine (less is better)", lambda v, l: v <= l)):
        names = [r["name"] for r in some]
        values = [r["value"] for r in some]
        colors = ["#2f7f5f" if good(r["value"], r["limit"]) else "#b5523b" for r in some]
        axis.barh(range(len(some)), values, color=colors)
        for i, r in enumerate(some):
            axis.plot([r["limit"]] * 2, [i - 0.4, i + 0.4], color="black", linewidth=1.2)
            axis.text(r["value"], i, f" {r['value']:.2f}", va="center", fontsize=7)
        axis.set_yticks(range(len(some)), names, fontsize=8)
        axis.invert_yaxis()
        axis.set_title(title, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("; ".join(result["machine"][:1] + ["black: the limit"]), fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
