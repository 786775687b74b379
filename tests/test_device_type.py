"""Torch's own device-generic test machinery, instantiated for the device."""

import pytest
import torch
from declared import operator_reason
from torch.testing import make_tensor
from torch.testing._internal.common_device_type import (
    OpDTypes, deviceCountAtLeast, dtypes, instantiate_device_type_tests, onlyCPU, onlyPRIVATEUSE1,
    ops)
from torch.testing._internal.common_methods_invocations import (
    binary_ufuncs, reduction_ops, unary_ufuncs)
from torch.testing._internal.common_modules import module_db, modules
from torch.testing._internal.common_utils import TestCase, parametrize
from twin import DEVICE

pytestmark = pytest.mark.skipif(DEVICE == "cpu", reason="needs the device's own test base")


RANDOM = ("bernoulli", "nn.functional.rrelu")


class TestDevice(TestCase):
    """Runs as TestDevicePRIVATEUSE1 (or by the name of the device)."""

    @onlyPRIVATEUSE1
    def test_names_the_device(self, device):
        self.assertEqual(torch.device(device).type, DEVICE)
        self.assertEqual(torch.ones(1, device=device).device, torch.device(device))

    @onlyCPU
    def test_is_not_instantiated_for_cpu(self, device):
        self.fail("only_for did not hold")

    @deviceCountAtLeast(1)
    def test_all_devices(self, devices):
        for device in devices:
            self.assertEqual(torch.zeros(2, device=device).sum().item(), 0)

    @dtypes(torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64)
    def test_make_tensor(self, device, dtype):
        t = make_tensor((3, 4), device=device, dtype=dtype)
        self.assertEqual(t.device, torch.device(device))
        self.assertEqual(t, t.clone())

    @parametrize("keepdim", [False, True])
    def test_reductions_keep_the_dimension(self, device, keepdim):
        t = make_tensor((3, 4), device=device, dtype=torch.float32)
        self.assertEqual(t.sum(1, keepdim=keepdim).cpu(), t.cpu().sum(1, keepdim=keepdim))

    @ops([op for op in unary_ufuncs if op.name not in RANDOM][:40], dtypes=OpDTypes.any_one)
    def test_unary_against_cpu(self, device, dtype, op):
        self.compare_samples(device, dtype, op)

    @ops(binary_ufuncs[:40], dtypes=OpDTypes.any_one)
    def test_binary_against_cpu(self, device, dtype, op):
        self.compare_samples(device, dtype, op)

    @ops(reduction_ops[:30], dtypes=OpDTypes.any_one)
    def test_reduction_against_cpu(self, device, dtype, op):
        self.compare_samples(device, dtype, op)

    def compare_samples(self, device, dtype, op):
        """The samples are made on the device here, as torch's own tests do."""
        if operator_reason(op.full_name, str(dtype).removeprefix("torch."), "forward"):
            self.skipTest("declared unsupported")
        for sample, _ in zip(op.sample_inputs(device, dtype), range(4)):
            found = op(sample.input, *sample.args, **sample.kwargs)
            cpu = sample.transform(lambda t: t.cpu() if isinstance(t, torch.Tensor) else t)
            self.assertEqual(found, op(cpu.input, *cpu.args, **cpu.kwargs), exact_device=False)

    @modules([m for m in module_db if m.name in (
        "nn.Linear", "nn.Conv2d", "nn.LayerNorm", "nn.LSTM", "nn.GRU", "nn.BatchNorm2d",
        "nn.MultiheadAttention", "nn.Embedding")], allowed_dtypes=(torch.float32,))
    def test_module_lands_on_the_device(self, device, dtype, module_info, training):
        cases = module_info.module_inputs_func(module_info, device=device, dtype=dtype,
                                               requires_grad=False, training=training)
        case = next(iter(cases))
        made = module_info.module_cls(*case.constructor_input.args, device=device, dtype=dtype,
                                      **case.constructor_input.kwargs)
        made.train(training)
        output = made(*case.forward_input.args, **case.forward_input.kwargs)
        first = output[0] if isinstance(output, tuple) else output
        self.assertEqual(first.device.type, torch.device(device).type)


instantiate_device_type_tests(TestDevice, globals(), only_for=("privateuse1",))


def test_the_class_was_instantiated():
    made = [value for name, value in globals().items() if name.startswith("TestDevice")]
    assert made and all(any(n.startswith("test_") for n in dir(cls)) for cls in made)
