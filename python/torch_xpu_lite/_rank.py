"""Binds a rank or an instance to its cores, then becomes the program: what ``xpu-lite launch``
starts.

It runs as a script, before torch: OpenMP counts its threads and threads inherit their
cores when torch is loaded, and an import from this package would load torch.
"""

import os
import sys


def main() -> None:
    """Arguments: the cores of the local ranks ("0,1;2,3"; "" binds none), the command.

    An instance is not a rank and has no number: it gets one share."""
    shares = sys.argv[1].split(";")
    local = int(os.environ.get("LOCAL_RANK", 0))
    if local < len(shares) and shares[local]:
        os.sched_setaffinity(0, {int(core) for core in shares[local].split(",")})
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
