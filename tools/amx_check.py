#!/usr/bin/env python3
"""Proves the AMX tile kernels: their own objects against the plain model of the tiles.

    tools/amx_check.py                              # this processor, if it has AMX
    tools/amx_check.py --runner "sde64 -spr --"     # an emulator of Linux programs
    tools/amx_check.py --runner ./run --bare --int8-bits 7

Compiles backend/cpu/amx/tile_gemm_amx.cpp with tests/amx/tile_check.cpp, runs it, and compares what it
prints, line by line, with the same program over tile_gemm_model.cpp on this machine: BF16 and INT8 in
all four sign combinations, shapes up to 3 tiles in m, n and k with ragged edges, sums bit for bit.
--products fp16 needs a processor with AMX-FP16.

With --bare the runner is called with freestanding objects instead of a program. It has to link them
with a runtime that offers emu_puts, emu_int, memcpy and memset, call emu_main (tests/amx/bare.h) on a
processor whose AVX-512 and AMX state is enabled, pass the output on, and exit with emu_main's result.
--int8-bits 7 limits int8 to 0..127: for emulators (Bochs 3.1) that multiply all int8 as unsigned. The
sign combinations are then proven for shapes and strides only.

Exit status: 0 equal, 1 different, 77 no AMX here and no runner.
"""

import argparse
import ctypes
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNELS = ROOT / "backend/cpu/amx"
TESTS = ROOT / "tests/amx"
FREESTANDING = (
    "-ffreestanding -fno-pic -mno-red-zone -fno-stack-protector -fno-exceptions -fno-rtti "
    "-fno-threadsafe-statics -fno-asynchronous-unwind-tables"
).split()
SKIPPED = 77
PRODUCTS = ("bf16", "fp16", "s8s8", "s8u8", "u8s8", "u8u8")  # enum TileProduct
SHAPES = ("sample", "ragged", "all")


def compile_to(output, sources, *flags):
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    command = [*compiler, "-std=c++20", "-O2", f"-I{ROOT}", *flags, *map(str, sources)]
    subprocess.run([*command, "-o", str(output)], check=True)
    return str(output)


def definitions(kernel, options):
    flags = [f"-DCHECK_KERNEL=tile_gemm_{kernel}", f"-DCHECK_INT8_BITS={options.int8_bits}"]
    flags += [f"-DCHECK_SHAPES={SHAPES.index(options.shapes)}"]
    chosen = sum(1 << PRODUCTS.index(name) for name in options.products.split(","))
    return [*flags, f"-DCHECK_PRODUCTS={chosen}"]


def with_instructions(folder, options):
    flags = [*definitions("amx", options), "-DCHECK_NEEDS_TILES"]
    runner = shlex.split(options.runner)
    if not options.bare:
        sources = [TESTS / "tile_check.cpp", TESTS / "hosted.cpp", KERNELS / "tile_gemm_amx.cpp"]
        return [*runner, compile_to(folder / "amx", sources, *flags)]
    objects = [
        compile_to(folder / "tile_gemm_amx.o", [KERNELS / "tile_gemm_amx.cpp"], "-c", *FREESTANDING),
        compile_to(folder / "tile_check.o", [TESTS / "tile_check.cpp"], "-c", *FREESTANDING, *flags),
    ]
    return [*runner, *objects]


def with_model(folder, options):
    sources = [TESTS / "tile_check.cpp", TESTS / "hosted.cpp", KERNELS / "tile_gemm_model.cpp"]
    flags = [*definitions("model", options), "-mfma"]
    return [compile_to(folder / "model", sources, *flags)]


def lines_of(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return done.returncode, [line for line in done.stdout.splitlines() if line.strip()]


def refusal():
    """Why this process may not use tiles, or None. Asked before anything is compiled."""
    request_permission, tile_data, arch_prctl = 0x1023, 18, 158
    libc = ctypes.CDLL(None, use_errno=True)
    if platform.machine() != "x86_64":
        return "not an x86-64 processor"
    if libc.syscall(arch_prctl, request_permission, tile_data) == 0:
        return None
    return f"arch_prctl ARCH_REQ_XCOMP_PERM: {os.strerror(ctypes.get_errno())}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runner", default="", help="command that runs the program or objects")
    parser.add_argument("--bare", action="store_true", help="the runner takes freestanding objects")
    parser.add_argument("--int8-bits", type=int, choices=(7, 8), default=8)
    parser.add_argument(
        "--products", default="bf16,s8s8,s8u8,u8s8,u8u8", help="some of " + ",".join(PRODUCTS)
    )
    parser.add_argument(
        "--shapes", choices=SHAPES, default="ragged",
        help="ragged (default): m, n and k at and beside tile edges; all: each up to 3 tiles; sample: "
             "a few hundred, for slow emulators",
    )
    options = parser.parse_args()
    if options.bare and not options.runner:
        parser.error("--bare needs --runner")
    if unknown := set(options.products.split(",")) - set(PRODUCTS):
        parser.error(f"unknown products {sorted(unknown)}; known are {', '.join(PRODUCTS)}")
    if not options.runner and (reason := refusal()):
        print(f"skipped: no AMX here ({reason})")
        return SKIPPED
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        status, found = lines_of(with_instructions(folder, options))
        if status == SKIPPED:
            print(f"skipped: {found[-1] if found else 'no AMX'}")
            return SKIPPED
        model_status, wanted = lines_of(with_model(folder, options))
    wrong = [(f, w) for f, w in zip(found, wanted) if f != w]
    for f, w in wrong[:10]:
        print(f"instructions: {f}\nmodel:        {w}")
    print(f"{len(wanted)} lines of the model, {len(found)} of the instructions, {len(wrong)} differ; "
          f"{found[-1] if found else 'no output'}")
    good = not wrong and len(found) == len(wanted) and status == 0 and model_status == 0
    print("equal" if good else f"NOT EQUAL (exit status {status})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
