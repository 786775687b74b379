"""Matrix products and convolutions of the SYCL engine, and oneDNN called directly.

usage: XPU_LITE_DEVICES=opencl:cpu python benchmarks/sycl_onednn.py [--rounds N] [--json FILE]

Both run in one process, in turns, on the same device; times are medians in microseconds, a
call and the wait for it. Needs g++ and onednn-devel: benchmarks/sycl/onednn_direct.cpp is
compiled first. The ratio is oneDNN's time over ours: 1.0 is as fast, 0.95 the goal.
"""

import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F

import common

MATMULS = [  # m, n, k, transposed weight, bias
    (128, 768, 768, 1, 1), (128, 3072, 768, 1, 1), (128, 768, 3072, 1, 1), (512, 512, 512, 0, 0),
    (1024, 1024, 1024, 0, 0), (2048, 2048, 2048, 0, 0), (1, 1000, 2048, 1, 1),
]
CONVOLUTIONS = [  # batch, in, size, out, kernel, stride, padding
    (1, 3, 224, 64, 7, 2, 3), (1, 64, 56, 64, 3, 1, 1), (1, 256, 56, 64, 1, 1, 0),
    (1, 128, 28, 128, 3, 1, 1), (1, 256, 56, 512, 1, 2, 0), (1, 512, 7, 512, 3, 1, 1),
    (4, 64, 56, 64, 3, 1, 1),
]
LIBRARIES = ["dnnl", "sycl", "OpenCL", "tbb", "irc", "intlc", "imf", "svml"]


def build_direct(folder):
    """Compiles onednn_direct.cpp; the library."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sycl", "onednn_direct.cpp")
    library = os.path.join(folder, "onednn_direct.so")
    prefix = sys.prefix
    subprocess.run(
        ["g++", "-std=c++20", "-O2", "-shared", "-fPIC", "-isystem", f"{prefix}/include", source,
         "-o", library, f"-L{prefix}/lib", "-Wl,--no-as-needed",
         *[f"-l{name}" for name in LIBRARIES], "-Wl,--allow-shlib-undefined",
         f"-Wl,--disable-new-dtags,-rpath,{prefix}/lib"],
        check=True,
    )
    direct = ctypes.CDLL(library)
    direct.direct_matmul.restype = direct.direct_convolution.restype = ctypes.c_void_p
    direct.direct_run.argtypes = [ctypes.c_void_p]
    return direct


def turns(ours, theirs, wait_ours, wait_theirs, rounds):
    """Medians of ours and theirs, in microseconds, taken in turns."""
    times = ([], [])
    for i in range(rounds + 2):
        for run, wait, kept in ((ours, wait_ours, times[0]), (theirs, wait_theirs, times[1])):
            start = time.perf_counter()
            run()
            wait()
            if i >= 2:
                kept.append((time.perf_counter() - start) * 1e6)
    return tuple(statistics.median(t) for t in times)


def main():
    options = common.arguments(__doc__.splitlines()[0], rounds=30).parse_args()
    print(*common.machine("xpu_lite"), sep="\n")
    from importlib.metadata import version
    print("onednn-devel", version("onednn-devel"), "intel-opencl-rt", version("intel-opencl-rt"))
    results = []
    wait_ours = torch.xpu_lite.synchronize
    with tempfile.TemporaryDirectory() as folder:
        direct = build_direct(folder)

        def report(name, dtype, ours, theirs):
            a, b = turns(ours, lambda: direct.direct_run(theirs), wait_ours, direct.direct_wait,
                         options.rounds)
            results.append({"case": name, "dtype": str(dtype), "xpu_lite_us": a, "onednn_us": b})
            print(f"{name:44} {str(dtype)[6:]:9} {a:9.0f} {b:9.0f}  {b / a:.2f}", flush=True)

        print(f"{'case':44} {'dtype':9} {'xpu-lite':>9} {'oneDNN':>9}  ratio")
        integer = ctypes.c_int64
        for code, dtype in enumerate((torch.float32, torch.bfloat16)):
            with torch.no_grad():
                for m, n, k, transposed, bias in MATMULS:
                    x = torch.zeros(m, k, device="xpu_lite", dtype=dtype)
                    w = torch.zeros(*((n, k) if transposed else (k, n)), device="xpu_lite",
                                    dtype=dtype)
                    b = torch.zeros(n, device="xpu_lite", dtype=dtype)
                    if bias:
                        ours = lambda x=x, w=w, b=b: F.linear(x, w, b)  # noqa: E731
                    else:
                        ours = lambda x=x, w=w: torch.mm(x, w)  # noqa: E731
                    theirs = direct.direct_matmul(integer(m), integer(n), integer(k), code,
                                                  transposed, bias)
                    report(f"matmul {m}x{n}x{k}", dtype, ours, theirs)
                for batch, cin, size, cout, kernel, stride, padding in CONVOLUTIONS:
                    last = {"memory_format": torch.channels_last}
                    x = torch.zeros(batch, cin, size, size, device="xpu_lite", dtype=dtype).to(**last)
                    w = torch.zeros(cout, cin, kernel, kernel, device="xpu_lite", dtype=dtype)
                    w = w.to(**last)
                    theirs = direct.direct_convolution(
                        *map(integer, (batch, cin, size, cout, kernel, stride, padding)), code)
                    report(f"conv {batch}x{cin}x{size}x{size} -> {cout}, {kernel}x{kernel} / {stride}",
                           dtype,
                           lambda x=x, w=w, s=stride, p=padding: F.conv2d(x, w, None, s, p), theirs)
    if options.json:
        import json
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
