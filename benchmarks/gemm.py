"""The product for packed weights against torch's own, for linear layers of transformers.

Three sides, in turns: benchmarks/cpp/packed_gemm.cpp (no torch in it), torch's linear, and
oneDNN inside torch with a weight that it packed itself (what Inductor's freezing calls).
Each product includes a bias; "x16" runs through 16 different weights, more than the caches
hold, as a model's layers do. Build the C++ side first:

    cmake -S . -B build/bench -DXPU_LITE_TORCH=OFF -DXPU_LITE_BENCHMARKS=ON
    cmake --build build/bench --target bench_packed_gemm
"""

import os

os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")  # this measures torch's CPU

import statistics
import subprocess
import sys
import time

import torch
from common import arguments, geometric_mean, machine

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "bench",
                       "benchmarks", "cpp", "bench_packed_gemm")
SETTLE = 0.02  # seconds, after which the other side's threads no longer wait actively
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
# rows, columns, sum length, different weights, activation
SHAPES = [
    (128, 768, 768, 16, "none"), (128, 2304, 768, 16, "none"), (128, 3072, 768, 16, "gelu"),
    (128, 768, 3072, 16, "none"), (1024, 768, 768, 1, "none"), (1024, 3072, 768, 1, "gelu"),
    (1024, 768, 3072, 1, "none"), (2048, 2048, 2048, 1, "none"), (16, 768, 768, 16, "none"),
    (1, 768, 768, 16, "none"), (1, 4096, 4096, 8, "none"), (4, 4096, 4096, 8, "none"),
]


def parse():
    parser = arguments(__doc__.splitlines()[0], rounds=7)
    parser.add_argument("--program", default=PROGRAM, help="bench_packed_gemm")
    parser.add_argument("--dtypes", default="f32,bf16,f16")
    parser.add_argument("--implementation", default="auto", help="of ours")
    parser.add_argument("--match", default="", help="part of a case's name, as it is printed")
    return parser.parse_args()


def torch_sides(dtype, m, n, k, weights, activation):
    """torch's two ways to the same result, as functions of the number of a call."""
    x, bias = torch.randn(m, k).to(dtype), torch.randn(n).to(dtype)
    plain = [torch.randn(n, k).to(dtype) for _ in range(weights)]
    gelu = activation == "gelu"

    def linear(i):
        y = torch.nn.functional.linear(x, plain[i % weights], bias)
        return torch.nn.functional.gelu(y) if gelu else y

    ops = torch.ops.mkldnn
    packed = [ops._reorder_linear_weight(w, m) for w in plain]

    def onednn(i):
        return ops._linear_pointwise(x, packed[i % weights], bias, "gelu" if gelu else "none", [],
                                     "none" if gelu else "")

    return {"torch": linear, "oneDNN packed": onednn}


def timed(call, repeats):
    time.sleep(SETTLE)
    call(0)
    start = time.perf_counter()
    for i in range(repeats):
        call(i + 1)
    return (time.perf_counter() - start) / repeats


def main():
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    if not os.path.exists(args.program):
        sys.exit(f"{args.program} is not there; build it:\n{__doc__}")
    program = subprocess.Popen([args.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True, env=env)
    for line in machine("cpu"):
        print(line)
    print(f"{'case':34}{'ours':>16}{'torch':>16}{'oneDNN packed':>16}   ratios of time")
    ratios = {"torch": [], "oneDNN packed": []}
    for name in args.dtypes.split(","):
        for m, n, k, weights, activation in SHAPES:
            case = f"{name} {m}x{n}x{k} x{weights} {activation}"
            if args.match not in case:
                continue
            repeats = max(weights, int(0.01 / (2 * m * n * k / 1.5e11 + n * k / 5e9)), 1)
            line = f"{name} {m} {n} {k} {weights} {repeats} {args.implementation} {activation}\n"
            times = {"ours": []}
            with torch.inference_mode():
                sides = torch_sides(DTYPES[name], m, n, k, weights, activation)
                for _ in range(args.rounds):
                    time.sleep(SETTLE)
                    program.stdin.write(line)
                    program.stdin.flush()
                    times["ours"].append(float(program.stdout.readline()))
                    for side, call in sides.items():
                        times.setdefault(side, []).append(timed(call, repeats))
            median = {side: statistics.median(values) for side, values in times.items()}
            if m > 16:
                cells = [f"{2e-9 * m * n * k / t:.0f} GFLOP/s" for t in median.values()]
            else:
                size = torch.finfo(DTYPES[name]).bits // 8
                cells = [f"{1e-9 * n * k * size / t:.1f} GB/s" for t in median.values()]
            for side, values in ratios.items():
                values.append(median["ours"] / median[side])
            print(f"{case:34}" + "".join(f"{cell:>16}" for cell in cells)
                  + "   " + " ".join(f"{values[-1]:.2f}" for values in ratios.values()),
                  flush=True)
    program.stdin.close()
    print("geometric mean of ours to theirs: "
          + ", ".join(f"{side} {geometric_mean(values):.2f}" for side, values in ratios.items()))


if __name__ == "__main__":
    main()
