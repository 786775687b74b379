"""Storages: saved and loaded, mapped to other devices, resized, shared, corrupt."""

import copy
import io
import pickle

import pytest
import torch


def saved(value, **options) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int64,
          torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
def test_save_and_load(dtype, zip_format):
    if dtype is torch.float8_e4m3fn and not zip_format:
        pytest.skip("PyTorch's legacy format has no float8, on no device")
    x = torch.arange(12).reshape(3, 4).to(dtype).to("xpu_lite")
    y = torch.load(saved(x, _use_new_zipfile_serialization=zip_format))
    assert y.device == x.device and y.dtype == dtype
    assert torch.equal(y.cpu().view(torch.uint8), x.cpu().view(torch.uint8))


@pytest.mark.parametrize("where", ["cpu", "xpu_lite", "xpu_lite:0", torch.device("xpu_lite")])
def test_map_location(where):
    for source in ("cpu", "xpu_lite"):
        x = torch.arange(5.0, device=source)
        y = torch.load(saved(x), map_location=where)
        assert y.device.type == torch.device(where).type
        assert y.cpu().tolist() == [0, 1, 2, 3, 4]


def test_map_location_dictionary_and_function():
    x = torch.arange(3.0, device="xpu_lite")
    assert torch.load(saved(x), map_location={"xpu_lite:0": "cpu"}).device.type == "cpu"
    assert torch.load(saved(x), map_location=lambda storage, tag: storage).device.type == "cpu"


def test_load_onto_a_missing_device():
    with pytest.raises(RuntimeError):
        torch.load(saved(torch.ones(2, device="xpu_lite")), map_location="xpu_lite:55")
    assert torch.ones(2, device="xpu_lite").sum().item() == 2


def test_views_stay_views():
    base = torch.arange(10.0, device="xpu_lite")
    a, b = torch.load(saved([base, base[2:5]]))
    b.fill_(-1)
    assert a.cpu().tolist() == [0, 1, -1, -1, -1, 5, 6, 7, 8, 9]


def test_strides_survive():
    x = torch.arange(6.0, device="xpu_lite").reshape(2, 3).t()
    y = torch.load(saved(x))
    assert y.stride() == x.stride() and torch.equal(y.cpu(), x.cpu())


def test_state_of_a_model_and_its_optimizer():
    model = torch.nn.Linear(4, 4).to("xpu_lite")
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 4, device="xpu_lite")).sum().backward()
    optimizer.step()
    state = torch.load(saved({"m": model.state_dict(), "o": optimizer.state_dict()}))
    other = torch.nn.Linear(4, 4).to("xpu_lite")
    other.load_state_dict(state["m"])
    twin = torch.optim.AdamW(other.parameters())
    twin.load_state_dict(state["o"])
    assert torch.equal(other.weight, model.weight)
    moment = twin.state[other.weight]["exp_avg"]
    assert moment.is_xpu_lite and torch.equal(moment, optimizer.state[model.weight]["exp_avg"])


def test_parameters_survive():
    p = torch.nn.Parameter(torch.ones(3, device="xpu_lite"))
    q = torch.load(saved(p))
    assert isinstance(q, torch.nn.Parameter) and q.requires_grad and q.is_xpu_lite


def test_pickle_and_deepcopy():
    x = torch.arange(4.0, device="xpu_lite", requires_grad=True)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.is_xpu_lite and y.requires_grad and torch.equal(y, x)
        assert y.data_ptr() != x.data_ptr()
    model = copy.deepcopy(torch.nn.Linear(2, 2).to("xpu_lite"))
    assert model.weight.is_xpu_lite


def test_sparse():
    x = torch.eye(4).to_sparse().to("xpu_lite")
    y = torch.load(saved(x))
    assert y.is_sparse and y.device.type == "xpu_lite"
    assert torch.equal(y.to_dense().cpu(), torch.eye(4))


@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.9])
def test_truncated_checkpoint(keep):
    data = saved({"w": torch.randn(1000, device="xpu_lite")}).getvalue()
    size = keep if isinstance(keep, int) else int(len(data) * keep)
    # ValueError: PyTorch's reader seeks before the beginning.
    with pytest.raises((RuntimeError, ValueError, EOFError, pickle.UnpicklingError)):
        torch.load(io.BytesIO(data[:size]))
    assert torch.ones(2, device="xpu_lite").sum().item() == 2


def test_corrupt_checkpoint():
    data = bytearray(saved({"w": torch.randn(1000, device="xpu_lite")}).getvalue())
    data[: len(data) // 2] = bytes(len(data) // 2)
    with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
        torch.load(io.BytesIO(bytes(data)))
    assert torch.ones(2, device="xpu_lite").sum().item() == 2


def test_resize_grows_and_keeps():
    storage = torch.arange(4, dtype=torch.uint8, device="xpu_lite").untyped_storage()
    storage.resize_(16)
    assert storage.nbytes() == 16
    x = torch.empty(0, dtype=torch.uint8, device="xpu_lite").set_(storage)
    assert x[:4].cpu().tolist() == [0, 1, 2, 3]


def test_resize_to_nothing_frees():
    x = torch.empty(2**22, device="xpu_lite")
    before = torch.xpu_lite.memory_allocated()
    x.untyped_storage().resize_(0)
    assert torch.xpu_lite.memory_allocated() <= before - 2**24
    x.untyped_storage().resize_(2**24)
    assert x.fill_(1).sum().item() == 2**22


def test_tensor_resize():
    x = torch.arange(4.0, device="xpu_lite")
    x.resize_(2, 3)
    assert x.shape == (2, 3) and x.flatten()[:4].cpu().tolist() == [0, 1, 2, 3]


def test_storage_copies_between_devices():
    cpu = torch.arange(6, dtype=torch.uint8).untyped_storage()
    there = cpu.xpu_lite()
    assert there.is_xpu_lite and there.device.index == 0
    assert there.cpu().tolist() == cpu.tolist()
    assert list(there) == list(cpu)


def test_storage_identity():
    x = torch.zeros(4, device="xpu_lite")
    assert x.untyped_storage().data_ptr() == x.data_ptr()
    assert x[1:].untyped_storage()._cdata == x.untyped_storage()._cdata


def test_set_data():
    x = torch.zeros(2, device="xpu_lite")
    x.data = torch.ones(3, device="xpu_lite")
    assert x.cpu().tolist() == [1, 1, 1]


def test_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    x = {"w": torch.arange(6.0, device="xpu_lite").reshape(2, 3)}
    safetensors.save_file(x, tmp_path / "x.safetensors")
    y = safetensors.load_file(tmp_path / "x.safetensors")
    assert torch.equal(y["w"], x["w"].cpu())


def test_numpy_refuses_device_tensors():
    with pytest.raises(TypeError, match="cpu"):
        torch.ones(2, device="xpu_lite").numpy()
