"""Libraries that ``xpu-lite launch`` loads before a program: another memory allocator, another
OpenMP. They are used where they are installed, and named with the command that installs them
where they are not."""

import os
import sys
from pathlib import Path

# choice: file names (patterns), what to set beside, how to install it
_LIBRARIES = {
    "tcmalloc": (("libtcmalloc.so*", "libtcmalloc_minimal.so*"), {},
                 "apt-get install libtcmalloc-minimal4"),
    "jemalloc": (("libjemalloc.so*",),
                 {"MALLOC_CONF": "oversize_threshold:1,background_thread:true,metadata_thp:auto"},
                 "apt-get install libjemalloc2"),
    "intel": (("libiomp5.so",),
              {"KMP_AFFINITY": "granularity=fine,compact,1,0", "KMP_BLOCKTIME": "1"},
              "pip install intel-openmp"),
}


def folders(environment) -> list:
    """Where libraries are looked for, in order."""
    prefixes = [sys.prefix, environment.get("CONDA_PREFIX"), Path.home() / ".local", "/usr/local",
                "/usr"]
    found = []
    for prefix in prefixes:
        if prefix:
            found += [Path(prefix, "lib"), Path(prefix, "lib64"),
                      Path(prefix, "lib", "x86_64-linux-gnu")]
    return found


def find(choice: str, where) -> str:
    """The path of a library, or "" if it is not installed."""
    for folder in where:
        for pattern in _LIBRARIES[choice][0]:
            for path in sorted(folder.glob(pattern)):
                return str(path)
    return ""


def preload(allocator: str, openmp: str, environment, where=None) -> tuple:
    """({variable: value}, notes) for the choices ``auto``, ``default`` or a library's name.

    A variable that the environment has already is left as it is.

    Raises:
        ValueError: a library that was named is not installed.
    """
    where = folders(environment) if where is None else where
    paths, variables, notes = [], {}, []
    for option, choice, candidates in (("--memory-allocator", allocator, ("tcmalloc", "jemalloc")),
                                       ("--openmp", openmp, ("intel",))):
        if choice == "default":
            continue
        wanted = candidates if choice == "auto" else (choice,)
        for name in wanted:
            path = find(name, where)
            if path:
                paths.append(path)
                variables.update(_LIBRARIES[name][1])
                notes.append(f"{name}: {path}")
                break
        else:
            if choice != "auto":
                raise ValueError(f"{option} {choice}: not installed ({_LIBRARIES[choice][2]})")
            notes.append(f"{option} auto: none of {', '.join(wanted)} is installed")
    variables = {k: v for k, v in variables.items() if k not in environment}
    if paths:
        before = environment.get("LD_PRELOAD", "")
        variables["LD_PRELOAD"] = os.pathsep.join(paths + ([before] if before else []))
    return variables, notes
