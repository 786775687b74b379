"""Builds the transports of the collectives and their C++ tests with ThreadSanitizer,
then with AddressSanitizer, UndefinedBehaviorSanitizer and the leak check, and runs them.

ThreadSanitizer sees one process: it runs the tests whose ranks are threads. Those
that fork their ranks (their names contain "Processes") run under the second. Any
report of a sanitizer ends the test that caused it, and so this program, with an error.

Usage: python3 tools/sanitize.py [thread] [address] [-- arguments of ctest]
"""

import glob
import os
import shutil
import subprocess
import sys
import time

import setup_env
from setup_env import BUILD, DEB, ROOT

KINDS = {
    # name: (what -fsanitize gets, its environment, more arguments for ctest)
    "thread": (
        "thread",
        {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:history_size=4"},
        ["--exclude-regex", "Processes"],
    ),
    "address": (
        "address,undefined",
        {
            "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_init_order=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "LSAN_OPTIONS": f"suppressions={ROOT}/tests/cpp/sanitize/leaks.txt"
            ":print_suppressions=0",
        },
        [],
    ),
}


def fixed_addresses():
    """The command in front that makes a shadow memory fit where addresses are very random."""
    command = ["setarch", os.uname().machine, "-R"]
    if shutil.which("setarch"):
        if subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            return command
    return []


def have_gtest():
    prefix = str(DEB / "usr")
    return (glob.glob("/usr/lib/*/libgtest.a") or glob.glob("/usr/local/lib*/libgtest.*")
            or glob.glob(f"{prefix}/lib/*/libgtest.a"))


def sanitize(kind, arguments):
    """Builds and runs under one sanitizer; True if it found nothing and all tests passed."""
    flag, variables, only = KINDS[kind]
    folder = BUILD / "sanitize" / kind
    start = time.monotonic()
    print(f"== {kind}: -fsanitize={flag}: building in {folder.relative_to(ROOT)}", flush=True)
    env = dict(setup_env.environment(), **variables)
    for name in [name for name in env if name.startswith("XPU_LITE_")]:
        del env[name]  # the tests set their own
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=env["PATH"]) else []
    if (folder / "CMakeCache.txt").exists():
        generator = []
    steps = [
        ["cmake", "-S", "tests/cpp/sanitize", "-B", str(folder), *generator,
         f"-DSANITIZE={flag}", f"-DCMAKE_PREFIX_PATH={DEB / 'usr'}"],
        [*fixed_addresses(), "cmake", "--build", str(folder), "--parallel",
         str(setup_env.jobs())],
        [*fixed_addresses(), "ctest", "--test-dir", str(folder), "--output-on-failure",
         "--no-tests=error", *only, *arguments],
    ]
    for command in steps:
        if subprocess.run(command, cwd=ROOT, env=env).returncode:
            print(f"== {kind}: FAILED: {' '.join(command)}", flush=True)
            return False
    print(f"== {kind}: clean ({time.monotonic() - start:.0f} s)", flush=True)
    return True


def main():
    ours = sys.argv[1:]
    arguments = ours[ours.index("--") + 1:] if "--" in ours else []
    kinds = ours[: ours.index("--")] if "--" in ours else ours
    if unknown := set(kinds) - set(KINDS):
        sys.exit(f"no such sanitizer: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    setup_env.check_tools()
    if not have_gtest():
        setup_env.fetch_debs(["libgtest-dev"], "GoogleTest is missing.")
    results = {kind: sanitize(kind, arguments) for kind in kinds or KINDS}
    for kind, clean in results.items():
        print(f"{kind:>8}: {'clean' if clean else 'FAILED'}")
    sys.exit(0 if all(results.values()) else 1)


if __name__ == "__main__":
    try:
        main()
    except setup_env.Failure as failure:
        sys.exit(f"NOT ready: {failure}")
