"""The offline compiler of Intel GPUs (ocloc) and spirv-val, from Debian, without root.

They are taken from Debian sid, whose versions know the newest GPUs, with the C
library that they were built for, into build/sid; its own loader starts them, so
that they run on any x86-64 Linux.
"""

import glob
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SID = ROOT / "build" / "sid"
PACKAGES = ["intel-ocloc", "libigc2", "libigdfcl2", "spirv-tools"]
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """Why the tools cannot be had."""


def find():
    """(ocloc, spirv_val): the beginnings of their commands. Fetches them if need be."""
    if not (SID / "complete").exists():
        _fetch()
    library = SID / "root" / "usr" / "lib" / "x86_64-linux-gnu"
    start = [str(library / "ld-linux-x86-64.so.2"), "--library-path", str(library)]
    ocloc = sorted(glob.glob(str(SID / "root/usr/bin/ocloc*")))
    validator = SID / "root/usr/bin/spirv-val"
    if not ocloc or not validator.exists():
        raise Unavailable(f"{SID} is incomplete: remove it and try again")
    return start + [ocloc[-1]], start + [str(validator)]


def version(ocloc) -> str:
    """A text that changes with the compiler's version: its packages."""
    return (SID / "complete").read_text().strip()


def _fetch():
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise Unavailable(f"{tool} is missing: the tools are taken from Debian's packages")
    if not Path(KEYRING).exists():
        raise Unavailable(f"{KEYRING} is missing (package debian-archive-keyring): what Debian "
                          "sends could not be verified")
    shutil.rmtree(SID, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (SID / folder).mkdir(parents=True)
    (SID / "status").write_text("")  # nothing is installed: all dependencies are taken
    (SID / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} sid main\n")
    options = [
        f"Dir::State::lists={SID / 'lists'}", f"Dir::State::status={SID / 'status'}",
        f"Dir::Cache={SID / 'cache'}", f"Dir::Etc::sourcelist={SID / 'sources.list'}",
        "Dir::Etc::sourceparts=/dev/null", "Debug::NoLocking=1", "APT::Sandbox::User=root",
        "APT::Architecture=amd64", "Acquire::Languages=none",
    ]
    apt = ["apt-get", "-q", "-y"] + [part for option in options for part in ("-o", option)]
    print("      taking ocloc and spirv-val from Debian sid into build/sid (80 MB)", flush=True)
    _run(apt + ["update"], "the package lists of Debian sid")
    _run(apt + ["--no-install-recommends", "--download-only", "install"] + PACKAGES,
         "the packages " + " ".join(PACKAGES))
    debs = sorted(glob.glob(str(SID / "cache/archives/*.deb")))
    for deb in debs:
        _run(["dpkg", "-x", deb, str(SID / "root")], f"unpacking {Path(deb).name}")
    (SID / "complete").write_text("\n".join(Path(deb).name for deb in debs) + "\n")
    shutil.rmtree(SID / "cache")
    shutil.rmtree(SID / "lists")


def _run(command, what):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace")
    # apt-get update only warns when a server cannot be reached.
    if result.returncode or "Failed to fetch" in result.stdout:
        end = " ".join(result.stdout.split("\n")[-4:]).strip()
        raise Unavailable(f"{what} cannot be had: {end}")
