"""``xpu-lite launch``: starts the ranks of a program, each on its share of the cores.

The ranks are torchrun's (``torch.distributed.run``): the same environment variables,
restarts and reports of failures. What torchrun leaves to the user is decided here, and
printed: how many ranks, which cores each may use, and how many threads.
"""

import argparse
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from torch_xpu_lite._preload import preload

_EXAMPLES = """\
examples:
  xpu-lite launch -n 2 train.py --epochs 3       two ranks, half of the cores each
  xpu-lite launch -n 4 --cores 0-15 train.py     four ranks on sixteen cores
  xpu-lite launch -n 2 -m package.train          a module, as with python -m
  xpu-lite launch --instances 4 serve.py         four copies that know nothing of each other
  xpu-lite launch -n 4 --nodes 2 --node-rank 0 --master host0:29500 train.py
                                                 on host0; on the other --node-rank 1

The program calls torch.distributed.init_process_group("xpulite"); rank, number of
ranks and the master's address come from the environment, as under torchrun.
"""


@dataclass
class Plan:
    """What is going to be started on this node."""

    ranks: int                # on this node
    threads: int              # of OpenMP, for each rank
    shares: list[list[int]]   # cores of each local rank; empty: not bound
    rendezvous: list[str]     # arguments of torchrun
    meeting: str              # the same, for people
    nodes: int
    notes: list[str]
    instances: bool = False   # copies that know nothing of each other, not ranks
    variables: dict = field(default_factory=dict)  # for the program's environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    here = parser.add_argument_group("on this machine")
    here.add_argument("-n", "--ranks", metavar="N", default="auto",
                      help="processes to start; auto (default): one for each device "
                           "xpu_lite, see XPU_LITE_DEVICES")
    here.add_argument("--instances", type=_positive, metavar="N",
                      help="independent copies of the program, each on its share of the "
                           "cores, instead of ranks of one job (their number is in "
                           "INSTANCE_INDEX)")
    here.add_argument("--threads", type=_positive, metavar="N",
                      help="threads of each rank's kernels (default: OMP_NUM_THREADS, else "
                           "its physical cores)")
    here.add_argument("--cores", metavar="LIST",
                      help="cores to share out, as 0-7,16 (default: all that this process "
                           "may use)")
    here.add_argument("--numa-nodes", metavar="LIST",
                      help="share out the cores of these NUMA nodes, as 0 or 0-1")
    here.add_argument("--cores-per-rank", type=_positive, metavar="N",
                      help="physical cores of each rank (default: an equal share)")
    here.add_argument("--no-bind", action="store_true",
                      help="do not bind ranks to cores: all may use all of them")
    here.add_argument("--memory-allocator", default="default",
                      choices=["auto", "default", "tcmalloc", "jemalloc"],
                      help="preload this allocator; auto: one that is installed (default: the "
                           "system's)")
    here.add_argument("--openmp", default="default", choices=["auto", "default", "intel"],
                      help="preload this OpenMP (default: torch's own)")
    there = parser.add_argument_group("on several machines (run the command on each)")
    there.add_argument("--nodes", type=_positive, default=1, metavar="N",
                       help="machines (default 1)")
    there.add_argument("--node-rank", type=int, metavar="R",
                       help="which of them this one is, from 0 to N-1")
    there.add_argument("--master", metavar="HOST[:PORT]",
                       help="machine 0, and a port that is free there (default port 29500)")
    run = parser.add_argument_group("the program")
    run.add_argument("--max-restarts", type=int, default=0, metavar="N",
                     help="start all ranks again when one fails, at most N times (default 0)")
    run.add_argument("--log-dir", metavar="DIR",
                     help="also write what the ranks print to files in this folder")
    run.add_argument("-m", "--module", action="store_true",
                     help="the program is a module's name")
    run.add_argument("--dry-run", action="store_true",
                     help="print what would be started, and start nothing")
    run.add_argument("program", help="a Python file (or module, with -m)")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...",
                     help="the program's own arguments")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def parse_cores(text: str) -> list[int]:
    """The numbers of a list like "0-3,8".

    Raises:
        ValueError: it is not such a list.
    """
    cores = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            numbers = range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise ValueError(f"{text!r} is not a list of cores such as 0-3,8") from None
        if not numbers:
            raise ValueError(f"{part!r} names no core")
        cores.extend(numbers)
    return sorted(set(cores))


def show_cores(cores: list[int]) -> str:
    """The opposite of parse_cores."""
    runs = []
    for core in sorted(cores):
        if runs and core == runs[-1][1] + 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def physical_cores(cpus, root: str = "/sys/devices/system/cpu") -> list[list[int]]:
    """Groups the numbered processors of the system by the core whose threads they are.

    In order of socket and number, so that neighbours share a socket.
    """
    groups = {}
    for cpu in sorted(cpus):
        topology = Path(root, f"cpu{cpu}", "topology")
        try:
            socket = int((topology / "physical_package_id").read_text())
            core = int((topology / "core_id").read_text())
        except (OSError, ValueError):  # no such files in some containers
            socket, core = 0, -1 - cpu
        groups.setdefault((socket, core), []).append(cpu)
    by_socket = sorted(groups.items(), key=lambda item: (item[0][0], item[1][0]))
    return [threads for _, threads in by_socket]


def share(cores: list[list[int]], ranks: int, each: int | None = None) -> list[list[list[int]]]:
    """Equal shares of physical cores, each in one piece; what is left over stays idle.

    With more ranks than cores they take turns on them.

    Raises:
        ValueError: `each` cores for every rank are more than there are.
    """
    if each is not None and each * ranks > len(cores):
        raise ValueError(f"--cores-per-rank {each} for {ranks} ranks needs {each * ranks} "
                         f"physical cores; there are {len(cores)}")
    if ranks > len(cores):
        return [[cores[rank % len(cores)]] for rank in range(ranks)]
    size = each or len(cores) // ranks
    return [cores[rank * size:(rank + 1) * size] for rank in range(ranks)]


def plan(options, device_count, environment, usable) -> Plan:
    """Decides everything that can be decided before anything starts.

    Args:
        options: parsed by add_arguments.
        device_count: a function that counts the devices; asked for `--ranks auto`.
        environment: variables.
        usable: cores that this process may use.

    Raises:
        ValueError: options that contradict each other or the machine.
    """
    notes = []
    if options.instances is not None:
        if options.ranks != "auto" or options.nodes != 1 or options.master is not None or \
                options.max_restarts:
            raise ValueError("--instances starts independent programs; --ranks, --nodes, --master "
                             "and --max-restarts are for the ranks of one job")
        ranks = options.instances
    elif options.ranks == "auto":
        ranks = device_count()
    elif options.ranks.isdigit() and int(options.ranks) > 0:
        ranks = int(options.ranks)
    else:
        raise ValueError(f"--ranks {options.ranks}: a number from 1, or auto")
    cpus = sorted(usable)
    if options.cores is not None:
        cpus = parse_cores(options.cores)
        if missing := sorted(set(cpus) - set(usable)):
            raise ValueError(f"--cores {options.cores}: this process may not use "
                             f"{show_cores(missing)}, only {show_cores(usable)}")
    if options.numa_nodes is not None:
        cpus = _of_nodes(options.numa_nodes, cpus)
    cores = physical_cores(cpus)
    shares = share(cores, ranks, options.cores_per_rank)
    if ranks > len(cores):
        notes.append(f"{ranks} ranks share {len(cores)} cores: they will wait for each other")
    elif (idle := len(cores) - sum(map(len, shares))) and options.cores_per_rank is None:
        notes.append(f"{idle} of {len(cores)} cores stay idle: {ranks} ranks do not divide them")
    if options.threads is not None:
        threads = options.threads
    elif environment.get("OMP_NUM_THREADS", "").isdigit():
        threads = int(environment["OMP_NUM_THREADS"])
    else:
        threads = len(shares[0])
    bound = [sorted(cpu for core in part for cpu in core) for part in shares]
    devices = environment.get("XPU_LITE_DEVICES", "").rpartition(":")[2]  # "2" of "host:2"
    if options.no_bind:
        bound = [[] for _ in bound]
    elif ranks > 1 and devices.isdigit() and int(devices) > 1:
        # The devices of a process share out the cores that it may use.
        bound = [[] for _ in bound]
        notes.append(f"XPU_LITE_DEVICES={environment['XPU_LITE_DEVICES']} shares out the "
                     "cores itself: ranks are not bound")
    variables, loaded = preload(options.memory_allocator, options.openmp, environment)
    rendezvous, meeting = _rendezvous(options)
    return Plan(ranks, threads, bound, rendezvous, meeting, options.nodes, notes + loaded,
                options.instances is not None, variables)


def _of_nodes(text: str, cpus: list[int]) -> list[int]:
    from torch_xpu_lite.runtime.cpu_pool import get_core_list_of_node_id

    wanted = {core for node in parse_cores(text) for core in get_core_list_of_node_id(node)}
    kept = [cpu for cpu in cpus if cpu in wanted]
    if not kept:
        raise ValueError(f"--numa-nodes {text}: none of their cores is among {show_cores(cpus)}")
    return kept


def _rendezvous(options) -> tuple[list[str], str]:
    if options.nodes == 1 and options.master is None:
        if options.node_rank not in (None, 0):
            raise ValueError(f"--node-rank {options.node_rank}: there is one node; see --nodes")
        return ["--standalone"], "a free port of this machine"
    if options.master is None:
        raise ValueError(f"--nodes {options.nodes} needs --master HOST[:PORT], the same on all")
    if options.nodes > 1 and options.node_rank is None:
        raise ValueError(f"--nodes {options.nodes} needs --node-rank, from 0 to "
                         f"{options.nodes - 1}, another one on each")
    node = options.node_rank or 0
    if not 0 <= node < options.nodes:
        raise ValueError(f"--node-rank {node} is not from 0 to {options.nodes - 1}")
    host, port = _address(options.master)
    meeting = f"{host} port {port}, this is node {node}"
    if options.max_restarts:
        # Only this rendezvous lets nodes meet again; it numbers them as they come.
        return ["--rdzv-backend=c10d", "--rdzv-id=xpu-lite", f"--rdzv-endpoint={host}:{port}",
                f"--rdzv-conf=is_host={int(node == 0)}"], meeting
    return ["--rdzv-backend=static", f"--node-rank={node}", f"--master-addr={host}",
            f"--master-port={port}"], meeting


def _address(text: str) -> tuple[str, int]:
    """Host and port of "host", "host:port", "address" or "[IPv6]:port"."""
    host, port = text, "29500"
    if text.startswith("["):
        host, _, rest = text.partition("]")
        host, port = host + "]", rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"--master {text}: HOST or HOST:PORT, with a port from 1 to 65535")
    return host, int(port)


def describe(plan: Plan, command: list[str]) -> list[str]:
    """The lines that say what was decided."""
    kind = "instance" if plan.instances else "rank"
    many = f"{plan.ranks} {kind}{'s' if plan.ranks > 1 else ''}"
    where = "this machine" if plan.nodes == 1 else f"each of {plan.nodes} machines"
    lines = [f"{many} on {where}, {plan.threads} thread{'s' if plan.threads > 1 else ''} each" +
             ("" if plan.instances else f"; they meet at {plan.meeting}")]
    name = "instance" if plan.instances else "local rank"
    for rank, cores in enumerate(plan.shares):
        lines.append(f"  {name} {rank}: cores {show_cores(cores) or 'not bound'}")
    lines += [f"  {variable}={value}" for variable, value in plan.variables.items()]
    lines += [f"  note: {note}" for note in plan.notes]
    lines.append(f"  command: {' '.join(command)}")
    return lines


def run(options, parser: argparse.ArgumentParser) -> int:
    """Starts the ranks and waits for them. Returns the exit status: 0 if all ended well."""
    usable = os.sched_getaffinity(0)
    try:
        decided = plan(options, _device_count, os.environ, usable)
        if not options.module and not Path(options.program).is_file():
            raise ValueError(f"there is no file {options.program}")
    except (ValueError, RuntimeError, ImportError) as error:
        parser.error(str(error))
    command = [sys.executable, "-u", *(["-m"] if options.module else []), options.program,
               *options.arguments]
    for line in describe(decided, command):
        print(f"xpu-lite launch: {line}" if not line.startswith(" ") else line,
              file=sys.stderr, flush=True)
    if options.dry_run:
        return 0
    os.environ["OMP_NUM_THREADS"] = str(decided.threads)
    os.environ.update(decided.variables)
    if decided.instances:
        from torch_xpu_lite import _instances

        return _instances.start(command, decided.shares, options.log_dir)
    shares = ";".join(",".join(map(str, cores)) for cores in decided.shares)
    bind = [sys.executable, "-IS", str(Path(__file__).with_name("_rank.py")), shares]
    logs = ["--log-dir", options.log_dir, "--tee", "3"] if options.log_dir else []
    return _torchrun([*decided.rendezvous, *logs, f"--nnodes={decided.nodes}",
                      f"--nproc-per-node={decided.ranks}",
                      f"--max-restarts={options.max_restarts}", "--no-python",
                      *bind, *command])


def _device_count() -> int:
    import torch
    from torch_xpu_lite import _loader

    _loader.load()
    return torch.xpu_lite.device_count()


def _torchrun(arguments: list[str]) -> int:
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        torchrun.run(torchrun.parse_args(arguments))
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        code = min(error.failures.values(), key=lambda failure: failure.timestamp).exitcode
        return code if code > 0 else 128 - code
    except SignalException as error:
        return 128 + error.sigval
    except KeyboardInterrupt:
        return 130
    return 0
