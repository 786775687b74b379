"""xpu-lite bench: models by name and from a file, the report, the picture."""

import json

import pytest
import torch

from torch_xpu_lite import cli
from torch_xpu_lite.bench import command, engines, models, networks
from torch_xpu_lite.bench.timing import interleave

SMALL = """
import torch
def make():
    torch.manual_seed(1)
    return torch.nn.Linear(4, 2), torch.randn(3, 4)
def wrong():
    return 7
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SMALL)
    return path


def test_a_model_of_a_file(file, tmp_path, capsys):
    picture, numbers = tmp_path / "bars.png", tmp_path / "numbers.json"
    status = cli.main(["bench", f"{file}:make", "--rounds", "2", "--engines", "cpu,xpu_lite",
                       "--picture", str(picture), "--json", str(numbers)])
    out = capsys.readouterr().out
    assert status == 0 and "float32" in out and "bfloat16" in out
    rows = json.loads(numbers.read_text())["rows"]
    assert [(r["dtype"], r["engine"]) for r in rows] == [
        ("float32", "cpu"), ("float32", "xpu_lite"), ("bfloat16", "cpu"), ("bfloat16", "xpu_lite")]
    assert rows[0]["ratio"] == 1 and rows[0]["difference"] == 0
    assert all(r["seconds"] > 0 for r in rows)
    assert rows[1]["difference"] < 1e-5 and 1e-5 < rows[3]["difference"] < 0.05
    assert picture.read_bytes()[1:4] == b"PNG"


def test_differences_are_seen(file, monkeypatch):
    model, inputs = models.load(f"{file}:make")
    monkeypatch.setitem(engines.ENGINES, "xpu_lite", lambda *_: lambda: torch.zeros(3, 2))
    rows = command.compare(model, inputs, ["float32"], ["cpu", "xpu_lite"], 1)
    assert rows[1]["difference"] == pytest.approx(1)


def test_another_engine_that_fails_is_left_out(file, monkeypatch):
    model, inputs = models.load(f"{file}:make")

    def broken(*_):
        raise RuntimeError("cannot export")

    monkeypatch.setitem(engines.ENGINES, "openvino", broken)
    said = []
    rows = command.compare(model, inputs, ["float32"], ["cpu", "openvino"], 1, note=said.append)
    assert [r["engine"] for r in rows] == ["cpu"]
    assert said == ["openvino, float32: left out: RuntimeError: cannot export"]
    monkeypatch.setitem(engines.ENGINES, "xpu_lite", broken)  # ours does not fail in silence
    with pytest.raises(RuntimeError, match="cannot export"):
        command.compare(model, inputs, ["float32"], ["cpu", "xpu_lite"], 1)


@pytest.mark.parametrize("name, text", [
    ("resnet51", "no model 'resnet51'"), ("nothing.py:make", "no file 'nothing.py'"),
    ("no.such.package:make", "no module 'no.such.package'")])
def test_models_that_are_not_there(name, text):
    with pytest.raises(ValueError, match=text):
        models.load(name)


def test_functions_that_are_not_there(file):
    with pytest.raises(ValueError, match="has no function 'other'"):
        models.load(f"{file}:other")
    with pytest.raises(ValueError, match=r"should return \(model, inputs\), got int"):
        models.load(f"{file}:wrong")
    with pytest.raises(ValueError, match="makes its own inputs"):
        models.load(f"{file}:make", batch=2)


@pytest.mark.parametrize("arguments", [[], ["perceptron", "--engines", "tpu"],
                                       ["perceptron", "--dtypes", "int3"],
                                       ["perceptron", "--rounds", "0"]])
def test_the_command_refuses(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["bench", *arguments])
    assert ended.value.code == 2 and "error" in capsys.readouterr().err


def test_an_unknown_model_is_an_exit_status(capsys):
    assert cli.main(["bench", "resnet51"]) == 2
    assert "no model 'resnet51'" in capsys.readouterr().err


def test_missing_engines_name_the_command(monkeypatch):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    assert engines.missing("openvino") == "openvino is not installed (pip install openvino)"
    assert engines.missing("cpu") == ""


def test_sides_take_turns():
    order = []
    times = interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert "".join(order) == "abbaabba" and len(times["a"]) == len(times["b"]) == 2


@pytest.mark.parametrize("name, size", [
    ("mobilenet_v2", 3.5e6), ("densenet", 8.0e6), ("convnext_tiny", 28.6e6), ("vgg16", 15.2e6)])
def test_networks_have_the_published_size(name, size):
    with torch.device("meta"):
        model = getattr(networks, name)()
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(size, rel=0.03)


def test_resnet50_has_the_published_size():
    with torch.device("meta"):
        model = networks.resnet((3, 4, 6, 3), True)
    assert sum(p.numel() for p in model.parameters()) == 25_557_032


@pytest.mark.parametrize("name", ["perceptron", "recommender", "dcgan", "autoencoder"])
def test_networks_run_on_the_device(name):
    model, inputs = models.load(name, 2)
    rows = command.compare(model, inputs, ["float32"], ["cpu", "xpu_lite"], 1)
    assert rows[1]["difference"] < 1e-4
