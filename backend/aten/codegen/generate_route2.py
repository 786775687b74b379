"""Lists the operators of route 2: those that have a CPU kernel and none of ours.

Reads torch's native_functions.yaml (installed with torch, in torchgen) and the
registration files of our own operators, and writes C++ files that register
`Route2<at::_ops::NAME, FLAGS>` for PrivateUse1. Work is in core/route2.h;
this program only makes the list, so a new torch brings its new operators in by
itself.

usage: generate_route2.py --sources DIR --output DIR --shards N
"""

import argparse
import pathlib
import re
import zlib

import torchgen
from torchgen.gen import parse_native_yaml
from torchgen.model import DispatchKey

# Composite operators that look at the device and take another way for a CPU:
# sent to the CPU's way as a whole. Not `convolution`: it only calls `_convolution`,
# and torch.jit.trace records that call and not the outer one.
FORCED = {
    "_convolution",
    "conj_physical_",
    "convolution_backward",
    "mode.values",
}

# No CPU kernel to call, or one that needs more than aliases (each is registered
# by hand in ops/).
EXCLUDED = {
    "empty_quantized",
    "_nested_tensor_from_mask",
}

# Take CPU tensors beside device tensors, as their CUDA kernels do.
ANY_CPU_TENSOR = {
    "index.Tensor",
    "index.Tensor_out",
    "index_put_",
    "_index_put_impl_",
    "_pack_padded_sequence",
    "_ctc_loss.Tensor",
    "_ctc_loss_backward.Tensor",
}


def own_operators(folder):
    """Names that registration files of ours give to m.impl()."""
    names = set()
    for path in sorted(folder.glob("**/register_*.cpp")):
        if "sycl" in path.relative_to(folder).parts:
            continue  # the other engine's
        text = re.sub(r"//[^\n]*", "", path.read_text())
        names.update(re.findall(r'\bm\.impl\(\s*"(?:aten::)?([^"]+)"', text))
        names.update(re.findall(r'\bXPU_LITE_IMPL\(\s*"([^"]+)"', text))
    return names


def has_cpu_kernel(function, index, by_name):
    if index.has_kernel(function):
        return True
    if function.structured_delegate is not None:
        return index.has_kernel(by_name[str(function.structured_delegate)])
    return False


def is_view(function):
    """Returns alias an argument that is not written: only metadata is made."""
    returns = function.func.returns
    return bool(returns) and all(
        r.annotation is not None and not r.annotation.is_write for r in returns
    ) and not any(
        a.annotation is not None and a.annotation.is_write
        for a in function.func.arguments.flat_all
    )


def operators(sources):
    packaged = pathlib.Path(torchgen.__file__).parent / "packaged/ATen/native"
    parsed = parse_native_yaml(
        str(packaged / "native_functions.yaml"), str(packaged / "tags.yaml")
    )
    index = parsed.backend_indices[DispatchKey.CPU]
    by_name = {str(f.func.name): f for f in parsed.native_functions}
    own = own_operators(sources)
    for function in parsed.native_functions:
        name = str(function.func.name)
        if name in own or name in EXCLUDED:
            continue
        if name not in FORCED and not has_cpu_kernel(function, index, by_name):
            continue
        if "Generator" in str(function.func):
            continue  # random numbers: route 1, or refused clearly by route 3
        flags = []
        if is_view(function):
            flags.append("kView")
        if name in ANY_CPU_TENSOR:
            flags.append("kAnyCpuTensor")
        composite = (function.has_composite_explicit_autograd_kernel
                     or function.has_composite_implicit_autograd_kernel)
        if name in FORCED or composite:
            flags.append("kComposite")
        struct = function.func.name.unambiguous_name()
        yield name, struct, function.root_name, " | ".join(flags) or "kDefault"


HEADER = """// Made by backend/aten/codegen/generate_route2.py. Do not edit.

{includes}

#include "backend/aten/core/install.h"
#include "backend/aten/core/route2.h"

namespace xpu_lite::aten {{
namespace {{

const bool listed = detail::at_host_install([] {{
{lines}
}});

}} // namespace
}} // namespace xpu_lite::aten
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--shards", type=int, default=8)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    entries = list(operators(args.sources))
    for shard in range(args.shards):
        # By name, so that a new operator changes one file.
        part = [e for e in entries if zlib.crc32(e[0].encode()) % args.shards == shard]
        lines = "\n".join(
            f"  register_route2<at::_ops::{struct}, {flags}>();" for _, struct, _, flags in part
        )
        bases = sorted({header for _, _, header, _ in part})
        includes = "\n".join(f"#include <ATen/ops/{b}_ops.h>" for b in bases)
        path = args.output / f"route2_{shard}.cpp"
        text = HEADER.format(includes=includes, lines=lines)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    (args.output / "route2_operators.txt").write_text(
        "".join(f"{name}\n" for name, *_ in entries)
    )


if __name__ == "__main__":
    main()
