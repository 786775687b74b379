"""How the package is loaded: each case in a fresh process."""

import shutil
from pathlib import Path

import pytest
from engine import ENGINE, sycl_only
from process import check, run

USE = "assert torch.ones(2, device='xpu_lite').sum().item() == 2; print('good')"


def test_import_torch_is_enough():
    assert check(f"import torch; {USE}", TORCH_DEVICE_BACKEND_AUTOLOAD=None) == "good"


def test_autoload_off_adds_nothing():
    code = """
        import sys, torch
        assert not hasattr(torch, "xpu_lite")
        assert not any(name.startswith("torch_xpu_lite") for name in sys.modules)
        assert torch._C._get_privateuse1_backend_name() == "privateuseone"
        assert "libxpu_lite" not in open("/proc/self/maps").read()
        print("good")
    """
    assert check(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0") == "good"


def test_autoload_off_and_explicit_import():
    code = f"import torch, torch_xpu_lite; {USE}"
    assert check(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0") == "good"


@pytest.mark.parametrize("autoload", ["0", "1"])
@pytest.mark.parametrize(
    "imports",
    [
        "import torch_xpu_lite; import torch",
        "import torch_xpu_lite.xpu_lite; import torch",
        "from torch_xpu_lite import _loader; import torch",
        "import torch_xpu_lite, torch; torch_xpu_lite._autoload(); torch_xpu_lite._autoload()",
        "import torch, importlib, torch_xpu_lite; importlib.reload(torch_xpu_lite)",
    ],
)
def test_import_orders(imports, autoload):
    assert check(f"{imports}; {USE}", TORCH_DEVICE_BACKEND_AUTOLOAD=autoload) == "good"


def test_import_is_light():
    code = """
        import sys, torch
        heavy = ["torch._dynamo", "torch._inductor", "torch_xpu_lite.xpu_lite.amp",
                 "torch_xpu_lite._doctor"]
        print([name for name in heavy if name in sys.modules])
        print(torch.xpu_lite.is_initialized())
    """
    assert check(code, TORCH_DEVICE_BACKEND_AUTOLOAD="1").split("\n") == ["[]", "False"]


def test_import_starts_no_thread():
    code = """
        import os, torch
        print(len(os.listdir("/proc/self/task")))
    """
    assert check(code, TORCH_DEVICE_BACKEND_AUTOLOAD="1") == check(
        code, TORCH_DEVICE_BACKEND_AUTOLOAD="0"
    )


def test_bad_variable_does_not_break_import_and_names_itself_at_use():
    result = run(
        "import torch; print('imported'); torch.ones(1, device='xpu_lite')",
        XPU_LITE_DEVICES="abacus",
    )
    assert result.returncode == 1
    assert result.stdout.strip() == "imported"
    assert "abacus" in result.stderr.splitlines()[-1]


@pytest.fixture
def package_copy(tmp_path):
    """A copy of the installed package whose build information can be edited."""
    import torch_xpu_lite
    from torch_xpu_lite import _build_info, _C

    target = tmp_path / "torch_xpu_lite"
    shutil.copytree(
        Path(torch_xpu_lite.__file__).parent, target,
        ignore=shutil.ignore_patterns("__pycache__", "*.so", "lib"),
    )
    text = Path(_build_info.__file__).read_text()
    return target, text, Path(_C.__file__)


FROM_COPY = """
    import sys
    # Before anything else, an editable install's own finder included.
    sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in type(f).__module__.lower()
                        and "ScikitBuild" not in type(f).__name__]
    sys.path.insert(0, sys.argv[1])
"""


def test_wheel_of_another_torch_is_refused_in_one_line(package_copy):
    target, text, native = package_copy
    import torch

    major_minor = ".".join(torch.__version__.split(".")[:2])
    assert f'TORCH_VERSION = "{major_minor}' in text
    changed = text.replace(f'TORCH_VERSION = "{major_minor}', 'TORCH_VERSION = "2.99')
    (target / "_build_info.py").write_text(changed)
    # No native library is in the copy: it must not even be looked for.
    result = run(
        FROM_COPY + "    import torch_xpu_lite\n", str(target.parent),
        TORCH_DEVICE_BACKEND_AUTOLOAD="0",
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: torch_xpu_lite ")
    assert "built for torch 2.99" in last and torch.__version__ in last
    assert "undefined symbol" not in result.stderr


def test_sources_that_were_not_built_say_so(package_copy):
    target, _, _ = package_copy
    (target / "_build_info.py").unlink(missing_ok=True)
    result = run(
        FROM_COPY + "    import torch_xpu_lite\n", str(target.parent),
        TORCH_DEVICE_BACKEND_AUTOLOAD="0",
    )
    assert "not built" in result.stderr.strip().splitlines()[-1]


def test_a_second_backend_is_told_apart():
    code = """
        import torch
        torch.utils.rename_privateuse1_backend("other")
        import torch_xpu_lite
    """
    result = run(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    assert "'other'" in result.stderr.strip().splitlines()[-1]


FORK = """
    import os, sys, torch
    {before}
    pid = os.fork()
    if pid == 0:
        try:
            {inside}
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
    {after}
"""


def test_fork_after_use_is_a_clear_error():
    out = check(FORK.format(
        before="x = torch.ones(2, device='xpu_lite')",
        inside="print(torch.xpu_lite._is_in_bad_fork()); torch.ones(2, device='xpu_lite')",
        after="print((x + 1).tolist())",
    ))
    in_bad_fork, *message, parent = out.split("\n")
    assert in_bad_fork == "True" and "spawn" in " ".join(message)
    assert parent == "[2.0, 2.0]"


def test_event_of_the_parent_in_a_fork_is_a_clear_error():
    out = check(FORK.format(
        before="e = torch.xpu_lite.Event(); e.record()",
        inside="e.record(); print('no error')",
        after="pass",
    ))
    assert "spawn" in out


# A device's driver has threads from the moment that devices are counted.
BEFORE_USE = ("assert torch.xpu_lite.device_count() >= 1 and torch.xpu_lite.is_available()"
              if ENGINE == "host" else "pass")


@sycl_only("the host engine counts its devices without starting anything")
def test_fork_after_counting_devices_is_a_clear_error():
    out = check(FORK.format(
        before="assert torch.xpu_lite.device_count() >= 1",
        inside="print(torch.xpu_lite._is_in_bad_fork()); torch.ones(2, device='xpu_lite')",
        after="print(torch.ones(2, device='xpu_lite').tolist())",
    ))
    in_bad_fork, *message, parent = out.split("\n")
    assert in_bad_fork == "True" and "spawn" in " ".join(message)
    assert parent == "[1.0, 1.0]"


def test_fork_before_use_works():
    out = check(FORK.format(
        before=BEFORE_USE,
        inside="print(torch.xpu_lite._is_in_bad_fork(), torch.ones(2, device='xpu_lite').tolist())",
        after="print(torch.ones(2, device='xpu_lite').tolist())",
    ))
    assert out.split("\n") == ["False [1.0, 1.0]", "[1.0, 1.0]"]


def test_seeding_in_a_fork_is_harmless():
    out = check(FORK.format(
        before="x = torch.ones(2, device='xpu_lite')",
        inside="torch.manual_seed(3); print(torch.rand(1).shape)",
        after="pass",
    ))
    assert out == "torch.Size([1])"


def test_spawn_works(tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(
        "import torch, torch.multiprocessing as mp\n"
        "def work(rank, out): out.put((rank, torch.full((2,), rank, device='xpu_lite').sum().item()))\n"
        "if __name__ == '__main__':\n"
        "    torch.ones(1, device='xpu_lite')\n"
        "    context = mp.get_context('spawn')\n"
        "    out = context.Queue()\n"
        "    children = [context.Process(target=work, args=(r, out)) for r in range(2)]\n"
        "    [c.start() for c in children]\n"
        "    print(sorted(out.get(timeout=120) for _ in children))\n"
        "    [c.join() for c in children]\n"
        "    assert all(c.exitcode == 0 for c in children)\n"
    )
    out = check(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')")
    assert out == "[(0, 0), (1, 2)]"


def test_process_ends_with_work_queued():
    code = """
        import torch
        side = torch.xpu_lite.Stream()
        with torch.xpu_lite.stream(side):
            torch.xpu_lite._sleep(20_000_000)
            kept = torch.ones(1000, device="xpu_lite") * 2
        print("end")
    """
    assert check(code) == "end"


def test_library_names_are_not_interposed():
    # Two extension modules called _C live in one process: torch's and ours.
    code = """
        import torch, torch_xpu_lite._C as ours
        assert ours is not torch._C and not hasattr(ours, "TensorBase")
        print("good")
    """
    assert check(code) == "good"
