"""What training changes, as plain values: for checkpoints."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class Random:
    """The state of PyTorch's random numbers, on the CPU and on the device."""

    def __init__(self, device: torch.device):
        self._of = {"cpu": torch} | ({} if device.type == "cpu" else {device.type: getattr(torch, device.type)})

    def state_dict(self) -> dict[str, Tensor]:
        return {name: module.get_rng_state() for name, module in self._of.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, module in self._of.items():
            module.set_rng_state(state[name])


def states_of(objects: Mapping[str, object]) -> dict[str, Mapping]:
    """The states of those objects that have one."""
    return {name: item.state_dict() for name, item in objects.items() if hasattr(item, "state_dict")}


def outline(objects: Mapping | Sequence, prefix: str = "") -> dict[str, object]:
    """The states of all objects as one flat dict, with the shape and type of a tensor in its place."""
    flat: dict[str, object] = {}
    for key, value in objects.items() if isinstance(objects, Mapping) else enumerate(objects):
        name = f"{prefix}{key}"
        if hasattr(value, "state_dict"):
            flat[name], value = type(value).__name__, value.state_dict()
        if isinstance(value, Mapping | list | tuple):
            flat |= outline(value, f"{name}.")
        elif isinstance(value, Tensor):
            flat[name] = f"{tuple(value.shape)} {value.dtype}"
        else:
            flat[name] = value if isinstance(value, int | float | str | None) else type(value).__name__
    return flat
