"""What training changes, as plain values: for checkpoints. And digests, by which to know tensors again."""

import hashlib
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


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of tensors, the same on every device."""
    found = hashlib.sha256()
    for name, t in sorted(tensors.items()):
        found.update(f"{name} {t.dtype} {tuple(t.shape)} ".encode())
        found.update(t.detach().cpu().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def fingerprint(x: Tensor) -> str:
    """What tells the rows of x from others, quickly: a digest of some 4 MB of them, and a sum of the bits of all."""
    rows = x[:: 1 + x.numel() * x.element_size() // 4_000_000]
    whole = {1: torch.int8, 2: torch.int16, 4: torch.int32}.get(x.element_size(), torch.int64)  # sums wrap: no order
    return digest({"rows": rows, "sum": x.detach().view(whole).sum(dtype=whole)})[:12]
