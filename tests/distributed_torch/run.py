"""Runs torch's DistributedTest class with ranks that stay alive.

  python tests/distributed_torch/run.py --world 3                    every test, xpulite
  python tests/distributed_torch/run.py --world 2 --device xpu_lite  tensors on the device
  python tests/distributed_torch/run.py --world 4 -k all_reduce      some of them
  python tests/distributed_torch/run.py --world 2 --backend gloo --record

--record writes what gloo passes into gloo.json, which tests/test_distributed_torch.py
reads: do it again for another version of torch.
"""

import argparse
import collections
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pool import Pool  # noqa: E402

BASELINE = Path(__file__).with_name("gloo.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", type=int, default=2, help="number of ranks")
    parser.add_argument("--backend", default="xpulite")
    parser.add_argument("--device", default="cpu",
                        help="cpu, xpu_lite or accelerator (see pool.py)")
    parser.add_argument("-k", default="", help="only tests whose name contains this")
    parser.add_argument("--listed", action="store_true", help="only tests that gloo passes")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for each test")
    parser.add_argument("--record", action="store_true", help="write gloo.json (gloo only)")
    arguments = parser.parse_args()
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    known = set(baseline.get(str(arguments.world), []))
    tally, passed, lost = collections.Counter(), [], []
    with Pool(arguments.world, arguments.backend, arguments.device) as pool:
        pool.start()
        for name in pool.names:
            if arguments.k not in name or arguments.listed and name not in known:
                continue
            result = pool.run(name, arguments.timeout)
            tally[result.status] += 1
            if result.status == "passed":
                passed.append(name)
            elif name in known:
                lost.append(name)
            note = result.detail.strip()
            if result.status == "skipped":
                note = note.splitlines()[0] if note else ""
            print(f"{result.status:8} {result.seconds:6.1f} s  {name}  {note}", flush=True)
    print(dict(tally))
    if lost:
        print(f"{len(lost)} tests that gloo passes did not pass: {' '.join(lost)}")
    if arguments.record:
        if arguments.backend != "gloo" or arguments.k or arguments.device != "cpu":
            parser.error("--record takes a run of all tests with --backend gloo")
        baseline[str(arguments.world)] = passed
        BASELINE.write_text(json.dumps(baseline, indent=1, sort_keys=True) + "\n")
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
