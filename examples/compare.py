"""Compares the training losses of two runs of train.py, epoch by epoch.

    python compare.py runs/one runs/two

Several processes train as one does, so that what remains is rounding; it grows with the
epochs. Exits with 1 when a loss differs by more than --tolerance (relative).
"""

import argparse
import json
import sys
from pathlib import Path


def losses(folder):
    try:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
    except FileNotFoundError:
        sys.exit(f"there is no run in {folder}")
    return {row["epoch"]: row["train_loss"] for row in map(json.loads, lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path, help="--out of a run")
    parser.add_argument("second", type=Path, help="--out of another")
    parser.add_argument("--tolerance", type=float, default=0.02)
    options = parser.parse_args()
    one, two = losses(options.first), losses(options.second)
    epochs = sorted(one.keys() & two.keys())
    if not epochs:
        sys.exit("the two runs have no epoch in common")
    worst = 0.0
    for epoch in epochs:
        difference = abs(one[epoch] - two[epoch]) / abs(one[epoch])
        worst = max(worst, difference)
        print(f"epoch {epoch:2}  train loss {one[epoch]:.4f} and {two[epoch]:.4f}  "
              f"difference {difference:.3%}")
    same = worst <= options.tolerance
    print(f"{'PASSED' if same else 'FAILED'}: losses differ by at most {worst:.3%} "
          f"(tolerance {options.tolerance:.1%})")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
