"""One side of benchmarks/sycl.py with torch: reads "CASE REPEATS" lines, answers each with the
seconds of one call. The engine is that of XPU_LITE_DEVICES."""

import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import model_builders  # noqa: E402
from sycl_parts import memory_cases  # noqa: E402

DEVICE = "xpu_lite"


def product_case(words):
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[words[1]]
    numbers = [int(n) for n in words[2:]]
    if words[0] == "matmul":
        m, n, k = numbers
        a = torch.rand(m, k, device=DEVICE).to(dtype)
        b = torch.rand(k, n, device=DEVICE).to(dtype)
        out = torch.empty(m, n, dtype=dtype, device=DEVICE)
        return lambda: torch.mm(a, b, out=out)
    n, c, h, w, outs, kernel, stride, padding = numbers
    x = torch.rand(n, c, h, w, device=DEVICE).to(dtype).to(memory_format=torch.channels_last)
    weight = torch.rand(outs, c, kernel, kernel, device=DEVICE).to(dtype)

    def run():
        with torch.inference_mode():
            F.conv2d(x, weight, stride=stride, padding=padding)

    return run


def model_case(words):
    """forward and backward: bert LENGTH BATCH, resnet50 SIZE BATCH."""
    builders = model_builders()
    size, batch = int(words[1]), int(words[2])
    if words[0] == "bert":
        model, inputs = builders.bert_base(size, batch)
    else:
        model, inputs = builders.resnet50(batch, size)
    model = model.to(DEVICE).eval()
    inputs = {k: v.to(DEVICE) for k, v in inputs.items()}

    def run():
        builders.loss_of(model, inputs)[0].backward()
        for parameter in model.parameters():
            parameter.grad = None

    return run


def tiny_add():
    x = torch.zeros(16, device=DEVICE)
    out = torch.zeros(16, device=DEVICE)
    return lambda: torch.add(x, x, out=out)


def make(case):
    words = case.split()
    if words[0] == "memory":
        return memory_cases.make(" ".join(words[2:]), int(words[1]))
    if words[0] in ("matmul", "conv"):
        return product_case(words)
    return tiny_add() if case == "tiny add" else model_case(words)


def main():
    current, call = None, None
    for line in sys.stdin:
        case, _, repeats = line.strip().rpartition(" ")
        try:
            if case != current:
                call = None  # frees the memory of the last case
                current, call = case, make(case)
                call()
            torch.xpu_lite.synchronize()
            start = time.perf_counter()
            for _ in range(int(repeats)):
                call()
            queued = time.perf_counter()
            torch.xpu_lite.synchronize()
            end = queued if case == "tiny add" else time.perf_counter()
            print((end - start) / int(repeats), flush=True)
        except Exception as error:
            current = None
            print("error", type(error).__name__, str(error).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
