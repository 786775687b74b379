"""Runs Python in a fresh process, for what only a fresh process shows."""

import os
import subprocess
import sys
import textwrap


def run(code: str, *arguments: str, timeout: float = 240, **environment):
    """Runs `code`; an environment value of None unsets the variable."""
    env = dict(os.environ)
    for name, value in environment.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True, text=True, timeout=timeout, env=env,
    )


def check(code: str, **environment) -> str:
    """Runs `code`, which must succeed; returns what it printed."""
    result = run(code, **environment)
    assert result.returncode == 0, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout.strip()
