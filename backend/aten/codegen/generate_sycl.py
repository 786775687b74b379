"""Writes the wrappers of structured operators for the SYCL engine.

A structured operator is a meta function (checks, shapes, dtypes) and an impl. The
files in sycl/operators/ say, one file per family, where the impl comes from:

    native:                      # torch's own class, whose impl calls a dispatch
      - add.out                  # stub; we register the stub for our device
    own:                         # a class of ours, structured_NAME, deriving from
      - op: mm.out               # at::meta's; declared in `header`
        name: mm                 # with XPU_SYCL_STRUCTURED
        header: matmul.h
    moves: [cat.out]             # of those above: moves data of any dtype

For each, torchgen (installed with torch) writes the functional, in-place and out
variants as it does for torch's devices. It knows no name for devices outside of
torch, so it is asked for XPU, and what names that device is put right here.

usage: generate_sycl.py --input FILE.yaml --output FILE.cpp
"""

import argparse
import pathlib
import re

import torchgen
import yaml
from torchgen.api.translate import translate
from torchgen.api.types import DispatcherSignature, NativeSignature
from torchgen.context import native_function_manager
from torchgen.dest import RegisterDispatchKey
from torchgen.gen import get_grouped_native_functions, parse_native_yaml
from torchgen.model import (
    BackendIndex,
    BackendMetadata,
    DispatchKey,
    NativeFunctionsGroup,
)
from torchgen.selective_build.selector import SelectiveBuilder
from torchgen.utils import Target

OURS = "xpu_lite::aten::sycl"


def structured_groups():
    packaged = pathlib.Path(torchgen.__file__).parent / "packaged/ATen/native"
    parsed = parse_native_yaml(
        str(packaged / "native_functions.yaml"), str(packaged / "tags.yaml")
    )
    groups = {}
    for group in get_grouped_native_functions(parsed.native_functions):
        if isinstance(group, NativeFunctionsGroup) and group.structured:
            groups[str(group.out.func.name)] = group
    return groups, parsed.backend_indices[DispatchKey.CPU]


def backend_index(entries, groups, cpu):
    """Which class each operator's wrappers derive from."""
    index = {}
    for out_name, own in entries:
        group = groups[out_name]
        if own is None:
            metadata = cpu.get_kernel(group.out)
            # torch's generator names what ufuncs are made of after the device
            kernel = f"ufunc_{group.functional.func.name.name}_CPU" if group.out.ufunc_inner_loop else metadata.kernel
            namespace = "at::native"
        else:
            kernel, namespace = own, OURS
        for function in group.functions():
            index[function.func.name] = BackendMetadata(
                kernel=kernel, structured=True, cpp_namespace=namespace
            )
    return BackendIndex(
        dispatch_key=DispatchKey.XPU, use_out_as_primary=True, device_guard=True,
        external=False, index=index,
    )


def check(name, groups, path):
    if name not in groups:
        raise SystemExit(f"{path}: {name} is not the out variant of a structured operator")


def tensors_of(function):
    """Names of the arguments that are tensors, or hold some."""
    arguments = function.func.arguments
    return [a.name for a in (*arguments.flat_positional, *arguments.out)
            if "Tensor" in str(a.type)]


def leave_rare_to_cpu(text, function):
    """Dtypes that no kernel of ours has go to the CPU's, which also words the refusals."""
    signature = NativeSignature(function.func, prefix="wrapper_XPU_", symint=False)
    dispatcher = DispatcherSignature.from_schema(function.func)
    arguments = ", ".join(
        e.expr for e in translate(signature.arguments(), dispatcher.arguments()))
    struct = function.func.name.unambiguous_name()
    rare = " || ".join(f"is_rare({name})" for name in tensors_of(function))
    head = re.compile(rf"(^[^\n]*\b{signature.name()}\([^\n]*\) \{{\n)", re.MULTILINE)
    text, count = head.subn(
        lambda m: m[1] + f"  if (C10_UNLIKELY({rare})) {{\n    return at::_ops::{struct}::"
        f"redispatch(kRareKey, {arguments});\n  }}\n", text)
    assert count == 1, f"{signature.name()}: {count} definitions"
    return text


def ours(text):
    """From torch's XPU device to ours."""
    text = text.replace("wrapper_XPU_", "wrapper_")
    return re.sub(r"\n{2,}", "\n", text)


TEMPLATE = """// Made by backend/aten/codegen/generate_sycl.py. Do not edit.

#include "backend/aten/sycl/structured.h"

{includes}

namespace xpu_lite::aten::sycl {{
namespace {{

using at::Tensor;
using at::ITensorListRef;
using at::TensorList;
using at::IntArrayRef;
using at::OptionalIntArrayRef;
using at::TensorOptions;
using at::Scalar;
using at::ScalarType;
using at::Device;
using at::Generator;
using at::Storage;
using at::MemoryFormat;
using c10::SymInt;
using c10::SymIntArrayRef;

{definitions}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {{
{registrations}
}}

}} // namespace
}} // namespace xpu_lite::aten::sycl
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    args = parser.parse_args()
    listed = yaml.safe_load(args.input.read_text()) or {}
    groups, cpu = structured_groups()
    entries, includes = [], []
    for name in listed.get("native") or []:
        check(name, groups, args.input)
        entries.append((name, None))
        includes.append(f"#include <ATen/ops/{groups[name].functional.root_name}_native.h>")
    for own in listed.get("own") or []:
        check(own["op"], groups, args.input)
        entries.append((own["op"], own["name"]))
        includes.append(f'#include "backend/aten/sycl/{own["header"]}"')
    index = backend_index(entries, groups, cpu)
    selector = SelectiveBuilder.get_nop_selector()
    texts = {Target.ANONYMOUS_DEFINITION: [], Target.REGISTRATION: []}
    for target, parts in texts.items():
        generator = RegisterDispatchKey(
            index, target, selector, rocm=False, symint=True, class_method_name=None,
            skip_dispatcher_op_registration=False,
        )
        for name, _ in entries:
            with native_function_manager(groups[name].out):
                parts.extend(generator(groups[name]))
    definitions = "\n".join(texts[Target.ANONYMOUS_DEFINITION])
    moves = set(listed.get("moves") or [])
    for name, _ in entries:
        for function in groups[name].functions():
            if name in moves:
                continue
            with native_function_manager(function):
                definitions = leave_rare_to_cpu(definitions, function)
            includes.append(f"#include <ATen/ops/{function.root_name}_ops.h>")
    args.output.write_text(TEMPLATE.format(
        includes="\n".join(dict.fromkeys(includes)),
        definitions=ours(definitions),
        registrations=ours("".join(texts[Target.REGISTRATION])),
    ))


if __name__ == "__main__":
    main()
