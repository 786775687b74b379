"""The table of ``torch.xpu_lite.memory_summary()``."""

_ROWS = [
    ("Allocated memory", "allocated_bytes", True),
    ("Active memory", "active_bytes", True),
    ("Requested memory", "requested_bytes", True),
    ("Reserved memory", "reserved_bytes", True),
    ("Non-releasable memory", "inactive_split_bytes", True),
    ("Allocations", "allocation", False),
    ("Active allocations", "active", False),
    ("Reserved segments", "segment", False),
    ("Non-releasable blocks", "inactive_split", False),
]
_POOLS = {"all": None, "large_pool": "  from large pool", "small_pool": "  from small pool"}
_COLUMNS = [("Now", "current"), ("Peak", "peak"), ("Allocated", "allocated"), ("Freed", "freed")]
_WIDTH = 22 + 13 * len(_COLUMNS)


def _size(value: int) -> str:
    amount = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            break
        amount /= 1024
    else:
        unit = "TiB"
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def render(index: int, stats: dict, abbreviated: bool) -> str:
    """``stats`` is what ``memory_stats_as_nested_dict()`` returns."""
    lines = [
        "=" * _WIDTH,
        f"xpu_lite memory summary, device {index}",
        f"out-of-memory errors: {stats['num_ooms']}, "
        f"retries after freeing the cache: {stats['num_alloc_retries']}",
        "-" * _WIDTH,
        f"{'':22}" + "".join(f"{title:>13}" for title, _ in _COLUMNS),
    ]
    for title, key, is_bytes in _ROWS:
        for pool, label in _POOLS.items():
            if abbreviated and label is not None:
                continue
            values = (stats[key][pool][field] for _, field in _COLUMNS)
            cells = (f"{_size(v) if is_bytes else v:>13}" for v in values)
            lines.append(f"{label or title:22}" + "".join(cells))
    lines.append("=" * _WIDTH)
    return "\n".join(lines) + "\n"
