"""The command ``xpu-lite``."""

import argparse
import sys


def main(argv=None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="xpu-lite", description="The PyTorch device xpu_lite: what is there, what is wrong."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("info", help="devices, engine, instruction sets, versions, options")
    doctor = commands.add_parser("doctor", help="check the installation and say what to do")
    doctor.add_argument("--gpu", action="store_true",
                        help="all that can be asked of a SYCL device (minutes), as a report")
    doctor.add_argument("--report", default="xpu-lite-gpu-report.txt", metavar="FILE",
                        help="with --gpu: where the report goes (default: %(default)s)")
    doctor.add_argument("--quick", action="store_true",
                        help="with --gpu: without the tests and benchmarks of a source checkout")
    from torch_xpu_lite import launch

    starter = commands.add_parser(
        "launch", help="start a program in several processes, each on its share of the cores",
        description="Starts the ranks of a distributed program, each on its share of the cores.")
    launch.add_arguments(starter)
    from torch_xpu_lite.bench import command as bench

    measure = commands.add_parser("bench", help="a model's speed here, on the CPU and by others",
                                  description=bench.DESCRIPTION)
    bench.add_arguments(measure)
    arguments = parser.parse_args(argv)
    if arguments.command == "bench":
        return bench.run(arguments, measure)
    if arguments.command == "launch":
        return launch.run(arguments, starter)
    if arguments.command == "info":
        from torch_xpu_lite._info import run
    elif arguments.gpu:
        from torch_xpu_lite._gpu_report import run_report

        return run_report(arguments.report, arguments.quick)
    else:
        from torch_xpu_lite._doctor import run
    return run()


if __name__ == "__main__":
    sys.exit(main())
