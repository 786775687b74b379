"""Two hosts out of one: network namespaces joined by a pair of virtual Ethernet devices."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest


def _network(pid):
    """The network namespace of a process; an object of its own if there is none."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return object()


class TwoHosts:
    """Programs run "on" host 0 and host 1, which reach each other by `address` only.

    A context manager; skips the test, with the reason, where the system forbids
    namespaces. Shared are the file system and the process numbers.
    """

    address = ("10.77.0.1", "10.77.0.2")

    def __init__(self):
        self._holders = []
        self._enter = []
        self._programs = []

    def __enter__(self):
        try:
            self._make()
        except (OSError, RuntimeError) as error:
            self.__exit__()
            pytest.skip(f"two network namespaces cannot be made here: {error}")
        return self

    def __exit__(self, *_):
        self._end_programs()
        for process in self._programs + self._holders:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _end_programs(self):
        """Kills all that runs on the hosts: programs start others."""
        holders = [process.pid for process in self._holders]
        hosts = [_network(pid) for pid in holders]
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in holders:
                continue
            if _network(entry.name) in hosts:
                with contextlib.suppress(OSError):
                    os.kill(int(entry.name), signal.SIGKILL)

    def _hold(self, command):
        """A process that keeps a namespace alive until its input is closed."""
        process = subprocess.Popen(
            [*command, "sh", "-c", "echo ready; exec cat"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self._holders.append(process)
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(process.communicate(timeout=10)[1].strip() or "unshare failed")
        return process.pid

    def _make(self):
        unprivileged = os.geteuid() != 0
        as_user = ["-U", "--preserve-credentials"] if unprivileged else []
        unshare = ["unshare", "-U", "-r", "-n"] if unprivileged else ["unshare", "-n"]
        for host in range(2):
            within = self._enter[0] if host else []
            pid = self._hold([*within, *(unshare if not host else ["unshare", "-n"])])
            self._enter.append(["nsenter", "-t", str(pid), *as_user, "-n"])
        other = str(self._holders[1].pid)
        self._do(0, "ip", "link", "add", "xl0", "type", "veth", "peer", "name", "xl1",
                 "netns", other)
        for host in range(2):
            name = f"xl{host}"
            self._do(host, "ip", "addr", "add", f"{self.address[host]}/24", "dev", name)
            self._do(host, "ip", "link", "set", name, "up")
            self._do(host, "ip", "link", "set", "lo", "up")
        for _ in range(100):  # until the devices have a carrier
            if "LOWER_UP" in self._do(0, "ip", "link", "show", "xl0"):
                return
            time.sleep(0.02)
        raise RuntimeError("the virtual Ethernet devices do not come up")

    def _do(self, host, *command):
        result = subprocess.run([*self._enter[host], *command], capture_output=True,
                                text=True, timeout=20)
        if result.returncode:
            raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
        return result.stdout

    def unplug(self):
        """The hosts do not reach each other any more, and are not told so."""
        self._do(0, "ip", "link", "set", "xl0", "down")

    def free_port(self):
        """A port that is free on host 0."""
        code = "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[1])"
        return int(self._do(0, "python3", "-S", "-c", code))

    def start(self, host, command, **environment):
        """Starts a program on a host; `wait` collects it."""
        env = {**os.environ, **environment}
        process = subprocess.Popen([*self._enter[host], *command], env=env, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._programs.append(process)
        return process
