"""``python -m torch_xpu_lite`` is the command ``xpu-lite``."""

import sys

from torch_xpu_lite.cli import main

if __name__ == "__main__":
    sys.exit(main())
