"""torch.compile is not supported on this device yet: says so, once, plainly.

Inductor asks the device module for these four classes before it generates any
code. Each raises when it is used; graphs for other devices never come here, and
the backends "eager" and "aot_eager" work, because they generate nothing.
"""

from torch._inductor.codegen.common import DeviceOpOverrides, register_device_op_overrides

MESSAGE = (
    "torch.compile is not supported on xpu_lite yet. Call the model without "
    "torch.compile, or compile with backend='aot_eager'."
)


class _NotYetType(type):
    """Whatever Inductor wants of the class first is where it hears of it."""

    def __call__(cls, *_args, **_kwargs):
        raise NotImplementedError(MESSAGE)

    def __getattr__(cls, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(MESSAGE)


class Scheduling(metaclass=_NotYetType):
    pass


class PythonWrapperCodegen(metaclass=_NotYetType):
    pass


class CppWrapperCodegen(metaclass=_NotYetType):
    pass


class WrapperFxCodegen(metaclass=_NotYetType):
    pass


# Inductor looks these up just before it makes the wrapper; without an entry it
# would stop there with a bare KeyError.
register_device_op_overrides("xpu_lite", DeviceOpOverrides())
