"""Random numbers: seeds and states of the devices' generators.

The same seed gives the same numbers for any number of threads. A state is 16
bytes on the CPU: the seed, and how many numbers were drawn.
"""

from collections.abc import Sequence

import torch
from torch_xpu_lite import _C
from torch_xpu_lite.xpu_lite._utils import NAME, _get_device_index


class _DefaultGenerators(Sequence):
    """The default generator of each device, made when asked for."""

    def __len__(self) -> int:
        return _C._device_count()

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"default_generators: no device {index}, there are {len(self)}")
        return _C._default_generator(index)


default_generators = _DefaultGenerators()


def _get_generator(device) -> torch.Generator:
    return _C._default_generator(_get_device_index(device, optional=True))


def get_rng_state(device=NAME) -> torch.Tensor:
    """State of a device's generator: 16 bytes, on the CPU."""
    return _get_generator(device).get_state()


def set_rng_state(new_state: torch.Tensor, device=NAME) -> None:
    """Sets what :func:`get_rng_state` returned."""
    _get_generator(device).set_state(new_state)


def get_rng_state_all() -> list:
    """States of all devices' generators."""
    return [get_rng_state(index) for index in range(_C._device_count())]


def set_rng_state_all(new_states) -> None:
    """Sets the states of the first ``len(new_states)`` devices."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)


def manual_seed(seed: int) -> None:
    """Seeds the current device's generator."""
    _get_generator(None).manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices."""
    for generator in default_generators:
        generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the current device's generator from the system; returns the seed."""
    return _get_generator(None).seed()


def seed_all() -> None:
    """Seeds all devices' generators from the system, with one seed."""
    if len(default_generators) == 0:
        return
    manual_seed_all(default_generators[0].seed())


def initial_seed() -> int:
    """The seed of the current device's generator."""
    return _get_generator(None).initial_seed()


def get_offset(device=NAME) -> int:
    """How many numbers the device's generator has drawn, in multiples of 4."""
    return _get_generator(device).get_offset()


def set_offset(offset: int, device=NAME) -> None:
    """Moves the device's generator to an offset."""
    _get_generator(device).set_offset(offset)
