"""torch.xpu_lite: devices, their properties, the current one."""

import threading

import pytest
import torch
import torch_xpu_lite
from engine import KIND

xl = torch.xpu_lite


def test_module_is_registered():
    assert torch.get_device_module("xpu_lite") is xl
    assert torch._C._get_privateuse1_backend_name() == "xpu_lite"
    import torch.xpu_lite as imported

    assert imported is xl


def test_version_is_that_of_the_build():
    from torch_xpu_lite import _build_info

    assert torch_xpu_lite.__version__ == _build_info.VERSION


def test_rename_again_is_harmless_and_another_name_is_not():
    torch.utils.rename_privateuse1_backend("xpu_lite")
    with pytest.raises(RuntimeError, match="already been set"):
        torch.utils.rename_privateuse1_backend("other")


def test_available_and_counted():
    assert xl.is_available() is True
    assert xl.device_count() >= 1


def test_enum_aliases():
    assert torch.profiler.ProfilerActivity.XPU_LITE == torch.profiler.ProfilerActivity.PrivateUse1


@pytest.mark.parametrize("text, index", [("xpu_lite", None), ("xpu_lite:0", 0), ("xpu_lite:3", 3)])
def test_device_strings(text, index):
    assert torch.device(text).type == "xpu_lite"
    assert torch.device(text).index == index


def test_generated_methods():
    x = torch.arange(4.0)
    y = x.xpu_lite()
    assert y.is_xpu_lite and not x.is_xpu_lite
    assert y.device == torch.device("xpu_lite", 0)
    assert torch.nn.Linear(2, 2).xpu_lite().weight.is_xpu_lite
    assert y.untyped_storage().is_xpu_lite
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 1, 2), [3])
    assert packed.xpu_lite().is_xpu_lite


def test_current_device_and_context():
    assert xl.current_device() == 0
    with xl.device(0):
        assert xl.current_device() == 0
    with xl.device(None):
        assert xl.current_device() == 0
    with xl.device(-1):
        assert xl.current_device() == 0
    with xl.device_of(torch.zeros(1)):
        assert xl.current_device() == 0
    xl.set_device("xpu_lite:0")
    xl.set_device(-1)
    assert xl.current_device() == 0


@pytest.mark.parametrize("index", [99, 1 << 20])
def test_missing_device_is_an_error_that_names_it(index):
    with pytest.raises((ValueError, RuntimeError), match=str(index)):
        xl.set_device(index)
    with pytest.raises((ValueError, RuntimeError), match=str(index)):
        xl.get_device_properties(index)
    with pytest.raises((ValueError, RuntimeError), match=str(index)):
        xl.synchronize(index)
    assert xl.current_device() == 0


@pytest.mark.parametrize("bad", ["cpu", torch.device("meta")])
def test_other_devices_are_refused(bad):
    with pytest.raises(ValueError, match="xpu_lite"):
        xl.set_device(bad)


@pytest.mark.parametrize("bad", [1.5, object(), True])
def test_what_is_no_device_is_refused(bad):
    with pytest.raises(TypeError):
        xl.set_device(bad)


def test_properties():
    properties = xl.get_device_properties()
    assert properties.name and xl.get_device_name() == properties.name
    assert properties.engine == KIND
    assert properties.total_memory > 2**28
    assert properties.cores >= 1 and properties.multi_processor_count == properties.cores
    if xl.supports("core_sets"):
        assert len(properties.core_ids) == properties.cores
    assert xl.get_device_capability() == (properties.major, properties.minor) != (0, 0)
    assert properties.isa in repr(properties) and properties.name in repr(properties)
    assert xl.get_device_properties("xpu_lite:0") == xl.get_device_properties(0)
    assert xl.get_arch_list()[0] == properties.isa
    with pytest.raises(AttributeError):
        properties.name = "other"


def test_supports():
    assert xl.supports("host_readable_memory")
    with pytest.raises(ValueError, match="teleport"):
        xl.supports("teleport")


def test_peer_access():
    assert xl.can_device_access_peer(0, 0)
    with pytest.raises((ValueError, RuntimeError)):
        xl.can_device_access_peer(0, 99)


def test_initialisation_state():
    torch.zeros(1, device="xpu_lite")
    xl.init()
    assert xl.is_initialized() and xl._initialized
    assert not xl._is_in_bad_fork()
    called = []
    xl._lazy_call(lambda: called.append(1))
    assert called == [1]
    xl._lazy_init()


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        xl.nonsense
    assert "amp" in dir(xl) and "Stream" in xl.__all__


def test_current_device_is_per_thread():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(xl.current_device()))
    thread.start()
    thread.join()
    assert seen == [0]


def test_dtype_support():
    assert xl.is_bf16_supported()
    assert isinstance(xl.is_bf16_supported(including_emulation=False), bool)
    assert torch.bfloat16 in xl.get_amp_supported_dtype()
    assert xl.is_tf32_supported() is False


def test_default_device():
    torch.set_default_device("xpu_lite")
    try:
        assert torch.zeros(2).is_xpu_lite
    finally:
        torch.set_default_device(None)
    with torch.device("xpu_lite"):
        assert torch.nn.Linear(2, 2).weight.is_xpu_lite


def test_fake_tensors_have_the_index():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        assert torch.empty(2, device="xpu_lite").device == torch.device("xpu_lite", 0)


def test_nn_module_moves_keep_parameters():
    model = torch.nn.Linear(3, 2)
    weight = model.weight
    model.to("xpu_lite")
    assert model.weight is weight and weight.is_xpu_lite
    model.cpu()
    assert model.weight is weight and not weight.is_xpu_lite


def test_checkpoint_restores_random_state():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5)).to("xpu_lite")
    x = torch.ones(4, 8, device="xpu_lite", requires_grad=True)
    y = torch.utils.checkpoint.checkpoint(model, x, use_reentrant=False)
    mask = (y != 0).float()
    y.sum().backward()
    # The second pass must have drawn the same mask: the gradient of the bias counts it.
    kept = mask.sum(0) * 2
    assert torch.equal(model[0].bias.grad.cpu(), kept.cpu())
