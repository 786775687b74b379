"""Runs the operator database against the device in worker processes.

A worker that dies or does not answer costs the one task that it was running. Each task is one
(operator, dtype, kind); its result is one JSON line: op, dtype, kind, status (pass, fail, crash,
hang, cpu-fails, n/a), message, samples, seconds, fallbacks (operators that took the boxed
fallback, with counts).

    python tests/sweep.py --out sweep.jsonl                  # everything, 4 samples each
    python tests/sweep.py --ops add,nn.functional.conv2d --kinds forward,backward --samples all
    python tests/sweep.py --shard 0/8                        # every eighth operator
    python tests/sweep.py --summary sweep.jsonl              # of an earlier run
"""

import argparse
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))


def worker_main(results_fd):
    """Answers one JSON line per task read from stdin."""
    sys.path.insert(0, HERE)
    import warnings

    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(1)
    import opcheck
    from twin import DEVICE

    module = getattr(torch, DEVICE, None)
    count = getattr(module, "fallbacks", dict)
    with os.fdopen(results_fd, "w") as results:
        print("ready", file=results, flush=True)
        for line in sys.stdin:
            op, dtype, kind, limit = json.loads(line)
            before, start = dict(count()), time.time()
            try:
                status, message, samples = opcheck.check(op, dtype, kind, limit)
            except Exception as error:  # noqa: BLE001 - the harness itself failed
                cpu = DEVICE == "cpu" or not _touches_device(error)
                status = "cpu-fails" if cpu else "fail"
                message, samples = f"outside the op: {type(error).__name__}: {error}"[:400], 0
            used = {k: v - before.get(k, 0) for k, v in dict(count()).items()
                    if v != before.get(k, 0)}
            print(json.dumps({"op": op, "dtype": dtype, "kind": kind, "status": status,
                              "message": message, "samples": samples, "fallbacks": used,
                              "seconds": round(time.time() - start, 3)}),
                  file=results, flush=True)


def _touches_device(error):
    """False when the database failed to make samples, True when moving them failed."""
    trace = error.__traceback__
    names = set()
    while trace:
        names.add(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return "samples_of" not in names


class Worker:
    """One worker process, started when first needed and again after it died."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.process = None

    def run(self, task, limit):
        if self.process is None:
            self._start()
        try:
            self.process.stdin.write(json.dumps([*task, limit]) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._read(self.timeout)
        if line:
            return json.loads(line)
        hang = line is None
        code = self.stop(kill=hang)
        op, dtype, kind = task
        return {"op": op, "dtype": dtype, "kind": kind, "status": "hang" if hang else "crash",
                "message": f"no answer in {self.timeout} s" if hang else _death(code),
                "samples": 0, "fallbacks": {}, "seconds": self.timeout if hang else 0}

    def _start(self):
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--worker", str(write_end)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, pass_fds=[write_end], env={**os.environ, "OMP_NUM_THREADS": "1"})
        os.close(write_end)
        self.results, self.pending = read_end, b""
        self.errors = []
        threading.Thread(target=self._drain, args=(self.process.stderr, self.errors),
                         daemon=True).start()
        if self._read(300) != "ready":
            self.stop()
            raise RuntimeError("a sweep worker did not start:\n" + "".join(self.errors[-20:]))

    @staticmethod
    def _drain(stream, lines):
        for line in stream:
            lines.append(line)
            del lines[:-50]

    def _read(self, timeout):
        """A line, "" at the end of the file, None at the timeout."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.results], [], [], left)[0]:
                return None
            data = os.read(self.results, 1 << 16)
            if not data:
                return ""
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()

    def stop(self, kill=True):
        if self.process is None:
            return 0
        if kill:
            self.process.kill()
        code = self.process.wait()
        os.close(self.results)
        self.process = None
        return code


def _death(code):
    if code < 0:
        return f"the process died of {signal.Signals(-code).name}"
    return f"the process ended with code {code}"


def sweep(tasks, limit=4, workers=2, timeout=60, report=lambda record: None):
    """Runs the tasks; gives the list of records. `report` sees each as it comes."""
    waiting = queue.Queue()
    for task in tasks:
        waiting.put(task)
    records, lock, failures = [], threading.Lock(), []

    def serve():
        worker = Worker(timeout)
        try:
            while True:
                task = waiting.get_nowait()
                record = worker.run(task, limit)
                with lock:
                    records.append(record)
                    report(record)
        except queue.Empty:
            pass
        except Exception as error:  # noqa: BLE001 - handed to the caller below
            failures.append(error)
        finally:
            worker.stop()

    threads = [threading.Thread(target=serve) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return records


def summary(records):
    """Percentages by kind, over what the CPU itself passes."""
    lines = []
    for kind in dict.fromkeys(r["kind"] for r in records):
        status = Counter(r["status"] for r in records if r["kind"] == kind)
        total = sum(status[s] for s in ("pass", "fail", "crash", "hang"))
        share = 100 * status["pass"] / total if total else 100.0
        rest = ", ".join(f"{n} {s}" for s, n in sorted(status.items()) if s != "pass")
        lines.append(f"{kind:10} {share:6.2f} %  {status['pass']} of {total} pass"
                     + (f"  ({rest})" if rest else ""))
    used = Counter()
    for record in records:
        used.update(record["fallbacks"])
    if used:
        lines.append("boxed fallback: " + ", ".join(f"{k} {n}" for k, n in used.most_common(30)))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ops", help="comma list of names in the database (default: all)")
    parser.add_argument("--match", help="only operators whose name has this part")
    parser.add_argument("--kinds", default="forward,strided,queued,backward,out,inplace,errors")
    parser.add_argument("--dtypes", default="float32,bfloat16,int64,bool")
    parser.add_argument("--samples", default="4", help="samples for each task, or all")
    parser.add_argument("--shard", default="0/1", help="i/n: every n-th operator from i")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one task")
    parser.add_argument("--side-stream", action="store_true",
                        help="run on a stream with a worker of its own: through the queue")
    parser.add_argument("--out", help="write JSON lines here")
    parser.add_argument("--quiet", action="store_true", help="do not print failures as they come")
    parser.add_argument("--summary", help="print the summary of this file and stop")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        return worker_main(options.worker)
    if options.summary:
        with open(options.summary) as lines:
            print(summary([json.loads(line) for line in lines]))
        return 0
    if options.side_stream:
        os.environ["XL_TEST_STREAM"] = "1"
    import opcheck

    names = options.ops.split(",") if options.ops else list(opcheck.OPS)
    unknown = [name for name in names if name not in opcheck.OPS]
    if unknown:
        parser.error(f"not in the operator database: {', '.join(unknown)}")
    if options.match:
        names = [name for name in names if options.match in name]
    shard, shards = map(int, options.shard.split("/"))
    tasks = [task for name in names[shard::shards]
             for task in opcheck.tasks_of(name, options.kinds.split(","),
                                          options.dtypes.split(","))]
    limit = None if options.samples == "all" else int(options.samples)
    sink = open(options.out, "w") if options.out else None

    def report(record):
        if sink:
            print(json.dumps(record), file=sink, flush=True)
        if record["status"] in ("fail", "crash", "hang") and not options.quiet:
            print(f"{record['status'].upper():5} {record['op']} {record['dtype']} "
                  f"{record['kind']}: {record['message']}", flush=True)

    records = sweep(tasks, limit, options.workers, options.timeout, report)
    print(summary(records))
    return int(any(r["status"] in ("fail", "crash", "hang") for r in records))


if __name__ == "__main__":
    sys.exit(main())
