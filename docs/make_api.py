"""Writes docs/api.md: what torch.cuda offers, name by name, and torch.xpu_lite's answer.

    python docs/make_api.py            # writes the page
    python docs/make_api.py --check    # exits with 1 when the page is not what it would write

Names and signatures are read from the two modules. A public name that is absent, or has other
parameters, must have its reason below, and a reason that is no longer needed must go: this program
stops otherwise, so the page cannot grow old in silence.
"""

import argparse
import inspect
import sys
from pathlib import Path

import torch
import torch_xpu_lite  # noqa: F401  (loads the device when autoload is turned off)

PAGE = Path(__file__).resolve().parent / "api.md"

GRAPHS = "there are no captured graphs"
POOLS = "one allocator per device; it has no pools to choose and cannot be replaced"
NVIDIA = "a part of the CUDA toolkit or driver"
SENSORS = "no driver to ask"
LEGACY = "legacy typed tensors: `torch.tensor(..., dtype=, device=)`"

# Names that are absent, with the reason; "*" at the front stands for anything.
ABSENT = {
    "*Tensor": LEGACY,
    "*Storage": LEGACY,
    "CUDAGraph": GRAPHS, "graph": GRAPHS, "graph_pool_handle": GRAPHS, "graphs": GRAPHS,
    "make_graphed_callables": GRAPHS,
    "CUDAPluggableAllocator": POOLS, "MemPool": POOLS, "use_mem_pool": POOLS,
    "change_current_allocator": POOLS,
    "caching_allocator_enable": "`XPU_LITE_CACHING=0` for a whole process",
    "caching_allocator_disabled": "`XPU_LITE_CACHING=0` for a whole process",
    "CudaError": "errors are `RuntimeError`, `ValueError` or `torch.OutOfMemoryError`",
    "DeferredCudaCallError": "no call is deferred",
    "ExternalStream": "every stream is the device's own",
    "get_stream_from_external": "every stream is the device's own",
    "GreenContext": "`Stream(cores=[...])` gives a stream cores of its own",
    "check_error": NVIDIA, "cudart": NVIDIA, "cudaStatus": NVIDIA, "current_blas_handle": NVIDIA,
    "current_solver_handle": NVIDIA, "get_gencode_flags": NVIDIA, "has_magma": NVIDIA,
    "jiterator": NVIDIA, "nccl": NVIDIA, "tunable": NVIDIA, "sparse": "an empty module",
    "has_half": "`get_device_properties().has_fp16`",
    "nvtx": "`torch.xpu_lite.profiler`: `range_push`, `range_pop`, `range`, `mark`",
    "get_sync_debug_mode": "no warning about calls that wait",
    "set_sync_debug_mode": "no warning about calls that wait",
    "clock_rate": SENSORS, "power_draw": SENSORS, "temperature": SENSORS, "utilization": SENSORS,
    "memory_usage": SENSORS, "list_gpu_processes": SENSORS,
}

# In place of a docstring, where that is not the whole story.
NOTES = {
}

# Names with other parameters, or the same ones and another meaning.
DIFFERS = {
    "Stream": "has `cores=[...]`: the processor cores of its worker thread; priorities are 0 and "
              "-1, and the host engine treats both alike",
    "Event": "gives a `torch.Event`; no `external`; `interprocess=True` raises "
             "`NotImplementedError`",
    "memory_snapshot": "takes a device; no pools and no traces of allocations",
    "get_device_properties": "a dataclass of its own: name, vendor, engine, isa, total_memory, "
                             "cores, core_ids, ...",
    "get_device_capability": "(level of the instruction set, 0) on the host engine",
    "get_arch_list": "instruction sets in use, one per device",
    "get_allocator_backend": "`\"xpu_lite\"`",
    "get_rng_state": "16 bytes: seed and offset",
    "set_rng_state": "16 bytes: seed and offset",
    "default_generators": "a sequence that makes each generator when it is asked for",
    "ipc_collect": "does nothing: memory sent to other processes is freed with its last user",
    "is_bf16_supported": "`including_emulation=False` asks for AVX512_BF16 or better",
    "is_current_stream_capturing": "always `False`",
    "is_tf32_supported": "always `False`",
    "seed": "returns the seed",
    "profiler": "named ranges only: `range_push`, `range_pop`, `range`, `mark`. "
                "`torch.profiler` makes the traces",
    "mem_get_info": "free is what the limit leaves and the machine has; on a host all logical "
                    "devices share one memory",
}

HEAD = """\
# torch.xpu_lite beside torch.cuda

Made by `docs/make_api.py` from the two modules (torch {version}); do not edit.

## Habits

| You write | Here |
| --- | --- |
| `x.cuda()`, `model.cuda()`, `x.is_cuda` | `x.xpu_lite()`, `model.xpu_lite()`, `x.is_xpu_lite`; or `.to("xpu_lite")` |
| `device="cuda:1"` | `"xpu_lite:1"`; `XPU_LITE_DEVICES=host:2` makes two logical devices |
| `torch.cuda.amp.autocast()` | `torch.autocast("xpu_lite")`: bfloat16 unless told otherwise, with the lists of operators that CUDA uses |
| `torch.cuda.amp.GradScaler()` | `torch.amp.GradScaler("xpu_lite")` (bfloat16 needs none) |
| `torch.load(f, map_location="cuda")` | `map_location="xpu_lite"` |
| `DataLoader(pin_memory=True)`, `non_blocking=True` | the same |
| `ProfilerActivity.CUDA` | `ProfilerActivity.PrivateUse1`, torch's name for devices outside it |
| `CUDA_VISIBLE_DEVICES` | `XPU_LITE_DEVICES`, see [environment.md](environment.md) |
| `init_process_group("nccl")` | `init_process_group("xpulite")`: collectives of tensors on the device and on the CPU, see [distributed.md](distributed.md) |
| `DistributedDataParallel`, FSDP, DTensor, pipelines | unchanged |
| `torch.compile(model)` | not there yet; `backend="eager"` and `"aot_eager"` work |
| `x.numpy()` | `x.cpu().numpy()`, or `numpy.from_dlpack(x, device="cpu")`, which copies nothing |

A program that names no device at all can ask `torch.accelerator.current_accelerator()`.

From Intel Extension for PyTorch:

| IPEX | Here |
| --- | --- |
| `ipex.optimize(model, dtype=torch.bfloat16)` | `model.to("xpu_lite")` and `torch.autocast("xpu_lite")`. Weights are not packed ahead, modules are not fused |
| `ipex.cpu.runtime.CPUPool`, `pin`, `MultiStreamModule` | `torch.xpu_lite.Stream(cores=[...])`, `with torch.xpu_lite.stream(s):` |
| `ipex.quantization` | not there; torch's quantized tensors move to the device and compute by route 3 |
| `device="xpu"` (Intel GPUs) | the same `device="xpu_lite"`; `XPU_LITE_DEVICES=level_zero:gpu` ([sycl.md](sycl.md)) |
| `import oneccl_bindings_for_pytorch`, backend `"ccl"` (torch-ccl) | nothing to import; backend `"xpulite"`, for CPU tensors too |

## Name by name

`same`: the name with the same parameters. `differs`: what is said. `absent`: why.
Annotations of types are not compared.

| torch.cuda | torch.xpu_lite | |
| --- | --- | --- |
"""


def public(module):
    """Public names of torch.cuda that are its own, not what its source imports."""
    names = {name for name in module.__all__ if hasattr(module, name)}
    return sorted(names | {"OutOfMemoryError"}, key=lambda name: (name.lower(), name))


def parameters(value):
    """Names and kinds of the parameters, or None where there is nothing to call."""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(p.name, p.kind) for p in found]


def reason(table, name):
    return table.get(name) or next(
        (text for key, text in table.items() if key[0] == "*" and name.endswith(key[1:])), None)


def rows():
    cuda, ours, problems = torch.cuda, torch.xpu_lite, []
    for name in public(cuda):
        if not hasattr(ours, name):
            text = reason(ABSENT, name)
            yield name, "absent", text
            problems += [] if text else [f"{name} is absent without a reason"]
            continue
        if reason(ABSENT, name) and not name.startswith("*"):
            problems.append(f"{name} is there, and has a reason to be absent")
        same = parameters(getattr(cuda, name)) == parameters(getattr(ours, name))
        text = DIFFERS.get(name)
        if not same and not text:
            problems.append(f"{name} has other parameters, without a word why")
        if not text and inspect.ismodule(getattr(ours, name)):
            text, word = "a module", "same"
        else:
            word = "differs" if text else "same"
        yield name, word, text
    problems += [f"{name} is not in torch.cuda" for name in (*ABSENT, *DIFFERS)
                 if name[0] != "*" and not hasattr(cuda, name)]
    if problems:
        raise SystemExit("docs/make_api.py: " + "; ".join(problems))


def page():
    found = list(rows())
    absent_tensors = [n for n, _, text in found if text == LEGACY]
    lines = []
    for name, word, text in found:
        if text == LEGACY:
            continue
        lines.append(f"| `{name}` | {word} | {text or ''} |")
    lines.append(f"| {', '.join(f'`{n}`' for n in absent_tensors)} | absent | {LEGACY} |")
    ours = sorted(name for name in torch.xpu_lite.__all__
                  if not hasattr(torch.cuda, name)
                  and not inspect.ismodule(getattr(torch.xpu_lite, name)))
    lines += ["", "## Only here", "", "| torch.xpu_lite | |", "| --- | --- |"]
    for name in ours:
        doc = (inspect.getdoc(getattr(torch.xpu_lite, name)) or "").split("\n\n")[0]
        doc = NOTES.get(name) or " ".join(doc.split()).replace("``", "`").replace(":func:", "")
        lines.append(f"| `{name}` | {doc} |")
    return HEAD.format(version=".".join(torch.__version__.split("+")[0].split(".")[:2])) + \
        "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args()
    text = page()
    if options.check:
        return int(PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
