"""Makes the table of what works from results of tests/sweep.py.

Writes docs/support.md (every operator), and the summary between the two marker lines of README.md:

    XPU_LITE_DEVICES=host python tests/sweep.py --samples all --out host.jsonl
    XPU_LITE_DEVICES=opencl:cpu python tests/sweep.py --samples all --out sycl.jsonl
    python tests/make_table.py host.jsonl --sycl sycl.jsonl

Each cell of a table has one word: `works` (all samples that the CPU passes give what the CPU
gives), `differs`, `crashes`, `hangs`, or `-` (the CPU does not have it, or it was not run).
"""

import argparse
import json
import os
import platform
from collections import Counter, defaultdict

import torch
from declared import MODULES, OPERATORS, here

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BEGIN, END = "<!-- support table: begin -->", "<!-- support table: end -->"
DTYPES = ("float32", "bfloat16", "int64", "bool")
WORDS = {"pass": "works", "fail": "differs", "crash": "crashes", "hang": "hangs"}
COUNTED = tuple(WORDS)
KINDS = {
    "forward": "result, dtype, shape, strides and device",
    "strided": "the same with non-contiguous inputs",
    "queued": "result on a stream of its own",
    "backward": "gradients",
    "out": "`out=` variants",
    "inplace": "in-place variants",
    "errors": "illegal inputs: the CPU's exception type",
}


def load(paths):
    """{(op, dtype, kind): record}; a later file overrides an earlier one."""
    found = {}
    for path in paths:
        with open(path) as lines:
            for line in lines:
                record = json.loads(line)
                found[record["op"], record["dtype"], record["kind"]] = record
    return found


def share(counts):
    total = sum(counts[s] for s in COUNTED)
    return f"{100 * counts['pass'] / total:.2f} % of {total}" if total else "-"


def summary_table(records):
    """Rows: kind of check; columns: dtype; cells: share of what the CPU passes."""
    counts = defaultdict(Counter)
    for (_, dtype, kind), record in records.items():
        counts[kind, dtype][record["status"]] += 1
        counts[kind, "all"][record["status"]] += 1
    lines = ["| checked against the CPU | " + " | ".join((*DTYPES, "all")) + " |",
             "|---|" + "---|" * (len(DTYPES) + 1)]
    for kind, meaning in KINDS.items():
        if not counts[kind, "all"]:
            continue
        cells = [share(counts[kind, dtype]) for dtype in (*DTYPES, "all")]
        lines.append(f"| {meaning} | " + " | ".join(cells) + " |")
    return lines


def operator_table(records, sycl):
    """A row for each operator, a column for each kind of check, and one for the SYCL engine."""
    kinds = [k for k in KINDS if any(key[2] == k for key in records)]
    by_op = defaultdict(lambda: defaultdict(dict))
    for (op, dtype, kind), record in records.items():
        if record["status"] in COUNTED:
            by_op[op][kind][dtype] = record["status"]
        else:
            by_op[op]
    on_sycl = defaultdict(dict)
    for (op, dtype, kind), record in sycl.items():
        if record["status"] in COUNTED:
            on_sycl[op][f"{dtype} {kind}" if dtype != "any" else kind] = record["status"]
    lines = ["| operator | dtypes | " + " | ".join(kinds) + " | SYCL engine |",
             "|---|" + "---|" * (len(kinds) + 2)]
    for op, checked in by_op.items():
        dtypes = [d for d in DTYPES if any(d in found for found in checked.values())]
        cells = [cell(checked[kind]) for kind in kinds] + [cell(on_sycl[op])]
        lines.append(f"| `{op}` | {', '.join(dtypes) or '-'} | " + " | ".join(cells) + " |")
    return lines


def cell(found):
    """One word; with the dtypes that it is about where another dtype works."""
    words = defaultdict(list)
    for dtype, status in found.items():
        words[WORDS[status]].append(dtype)
    if len(words) <= 1:
        return next(iter(words), "-")
    words.pop("works", None)
    return "; ".join(f"{word}: {', '.join(dtypes)}" for word, dtypes in words.items())


def reason_on(engine, op, dtype, kind):
    return next((e.reason for e in OPERATORS if e.engine in ("*", engine) and e.op == op
                 and e.dtype in ("*", dtype) and e.kind in ("*", kind)), None)


def problem_list(records, engine):
    lines = []
    for (op, dtype, kind), record in records.items():
        if record["status"] in COUNTED and record["status"] != "pass":
            reason = reason_on(engine, op, dtype, kind) or record["message"]
            reason = " ".join(reason.split()).replace("|", "\\|")
            lines.append(f"- `{op}` {dtype} {kind}: {WORDS[record['status']]}: {reason}")
    return lines or ["None."]


def fallbacks(records):
    used = {name for record in records.values() for name in record["fallbacks"]}
    return ", ".join(f"`{name}`" for name in sorted(used)) or "None."


def sycl_part(records):
    """What differs on the SYCL engine; `records` are of a run on the OpenCL CPU device."""
    if not records:
        return ["## The SYCL engine", "", "Not run.", ""]
    most = max(record["samples"] for record in records.values())
    return ["## The SYCL engine", "",
            f"The same checks with `XPU_LITE_DEVICES=opencl:cpu`, {most} samples of an entry at "
            "the most.", "",
            *summary_table(records), "", "What does not work there:", "",
            *problem_list(records, "sycl"), "",
            "What falls back to torch's CPU kernels there, in the samples of this run:", "",
            fallbacks(records), ""]


def support_page(records, sycl):
    header = [
        "# What works", "",
        "Made by `tests/make_table.py` from a run of `tests/sweep.py`; do not edit.", "",
        "Every entry of torch's operator database runs on the CPU and on the device with equal "
        "inputs. A percentage is over the (operator, dtype) pairs that the CPU itself passes; "
        "random results and uninitialised memory are compared by dtype, shape, strides and "
        "device only.", "",
        f"torch {torch.__version__}, Python {platform.python_version()}.", "",
        *summary_table(records), "",
        "## What does not", "", *problem_list(records, "host"), "",
    ]
    modules = [entry for entry in MODULES if here(entry)]
    if modules:
        header += [*(f"- module `{entry.name}`: {entry.reason}" for entry in modules), ""]
    header += ["## Operators that take the boxed fallback", "",
               "Correct, and slower than the rest; `torch.xpu_lite.fallbacks()` counts them.", "",
               fallbacks(records), "", *sycl_part(sycl)]
    return "\n".join([*header, "## Every operator", "",
                      "`works`, `differs`, `crashes`, `hangs`, or `-` where the CPU has nothing "
                      "to compare with. `dtypes`: those that the CPU has. The last column sums up all "
                      "kinds on the SYCL engine.", "", *operator_table(records, sycl), ""])


def replace_marked(text, body):
    """`text` with what lies between the marker lines replaced by `body`."""
    if BEGIN not in text or END not in text:
        raise SystemExit(f"README.md has no lines {BEGIN!r} and {END!r}")
    head, rest = text.split(BEGIN, 1)
    return head + BEGIN + "\n" + body + "\n" + END + rest.split(END, 1)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", help="JSON lines of tests/sweep.py")
    parser.add_argument("--sycl", nargs="*", default=[], help="the same of the SYCL engine")
    parser.add_argument("--root", default=ROOT, help="where README.md and docs/ are")
    options = parser.parse_args()
    records = load(options.results)
    os.makedirs(os.path.join(options.root, "docs"), exist_ok=True)
    with open(os.path.join(options.root, "docs", "support.md"), "w") as page:
        page.write(support_page(records, load(options.sycl)))
    readme = os.path.join(options.root, "README.md")
    if os.path.exists(readme):
        with open(readme) as page:
            text = page.read()
        known = len({(e.op, e.dtype, e.kind) for e in OPERATORS if e.engine in ("*", "host")})
        body = "\n".join([*summary_table(records), "",
                          "Percent of the (operator, dtype) pairs of torch's operator database "
                          f"that the CPU passes; {known} are declared unsupported. "
                          "[Every operator](docs/support.md)."])
        with open(readme, "w") as page:
            page.write(replace_marked(text, body))


if __name__ == "__main__":
    main()
