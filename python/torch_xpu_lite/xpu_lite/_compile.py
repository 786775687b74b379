"""torch.compile is not supported on this device yet: says so, once, plainly.

Inductor asks the device module for these four classes before it generates any
code. Each raises when it is used; graphs for other devices never come here, and
the backends "eager" and "aot_eager" work, because they generate nothing.
"""

MESSAGE = (
    "torch.compile is not supported on xpu_lite yet. Call the model without "
    "torch.compile, or compile with backend='aot_eager'."
)


class _NotYet:
    def __init__(self, *_args, **_kwargs):
        raise NotImplementedError(MESSAGE)

    @classmethod
    def create(cls, *_args, **_kwargs):
        raise NotImplementedError(MESSAGE)


class Scheduling(_NotYet):
    pass


class PythonWrapperCodegen(_NotYet):
    pass


class CppWrapperCodegen(_NotYet):
    pass


class WrapperFxCodegen(_NotYet):
    pass
