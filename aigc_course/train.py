"""What surrounds a training loop: batches with a progress bar, the log, averaged weights, resuming after a kill."""

import copy
import hashlib
import io
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from aigc_course.plumbing.console import Progress, say
from aigc_course.plumbing.settings import regular, write_atomically
from aigc_course.plumbing.states import Random, digest, fingerprint, outline, states_of


def batches(
    x: Tensor | tuple[Tensor, ...],
    batch_size: int,
    n_steps: int,
    *,
    seed: int = 0,
    resume: "Resume | None" = None,
    progress: bool = True,
) -> Iterator[Tensor | tuple[Tensor, ...]]:
    """Yield `n_steps` random batches of rows of `x`, drawn by indexing on the device where `x` lies.

    x: (N, ...), or a tuple of tensors with equal N, which gives tuples of equal rows. Each pass over the data has an
    order of its own, made from `seed` and the number of the pass; the N % batch_size rows at its end are left out.
    resume: a `Resume`, with which a run that was killed goes on from where it last saved. progress: a bar, and at the
    end one line (with AIGC_QUIET=1 only the line). Raises ValueError for sizes that do not fit, TypeError for others.
    """
    tensors = x if isinstance(x, tuple) else (x,)
    if not tensors or not all(isinstance(t, Tensor) and t.ndim for t in tensors):
        raise TypeError(f"batches takes a tensor or a tuple of tensors, not {[type(t).__name__ for t in tensors]}")
    N, device = len(tensors[0]), tensors[0].device
    if any(len(t) != N or t.device != device for t in tensors):
        found = ", ".join(f"{len(t)} on {t.device}" for t in tensors)
        raise ValueError(f"the tensors must have equally many rows and lie on one device, not {found}")
    if not 1 <= batch_size <= N:
        raise ValueError(f"batch_size is {batch_size}; with {N} rows it must be from 1 to {N}")
    if n_steps < 0:
        raise ValueError(f"n_steps is {n_steps}; it cannot be negative")

    def draw() -> Iterator[Tensor | tuple[Tensor, ...]]:
        start = 0
        if resume is not None:
            start = resume.restore({"n_steps": n_steps, "batch_size": batch_size, "seed": seed}, tensors)
        bar = Progress(start, n_steps) if progress else None
        generator, left_at = torch.Generator(device), start + 1
        try:
            for step in range(start, n_steps):
                left_at = step + 1
                n_pass, position = divmod(step, N // batch_size)
                if position == 0 or step == start:  # one permutation a pass, made on the device
                    generator.manual_seed(random.Random(f"{seed} {n_pass}").getrandbits(32))
                    order = torch.randperm(N, generator=generator, device=device).split(batch_size)
                # index_select, because x[rows] takes two to six times as long on a CPU
                batch = tuple(t.index_select(0, order[position]) for t in tensors)
                yield batch if isinstance(x, tuple) else batch[0]
                if resume is not None and (step + 1) % resume.every == 0 and step + 1 < n_steps:
                    resume.save(step + 1)
                if bar is not None and time.perf_counter() >= bar.due:
                    bar.show(step + 1)
            left_at = None
        finally:  # also after break, an error or the stop button
            if bar is not None:
                bar.close(left_at)
        if resume is not None:
            resume.remove()

    return draw()


class Log:
    """The numbers of a run. `log(loss=loss)` leaves them on the device, so that no step waits; reading fetches them."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor | float]] = {}

    def __call__(self, **values: Tensor | float) -> None:
        """Append one value, a number or a tensor of one element, under each name."""
        for name, value in values.items():
            if isinstance(value, Tensor):
                if value.numel() != 1:
                    raise ValueError(f"{name} has shape {tuple(value.shape)}; the log takes one number each time")
                value = value.detach().clone()  # a copy, because the loop may go on to change it in place
            self._values.setdefault(name, []).append(value)

    @property
    def names(self) -> list[str]:
        """What has been logged."""
        return list(self._values)

    def __getitem__(self, name: str) -> np.ndarray:
        """All values under `name`: (number of values,), float64. KeyError where there are none."""
        if name not in self._values:
            raise KeyError(f"nothing is logged as {name!r}; the log has {', '.join(self.names) or 'nothing yet'}")
        tensors = [v.reshape(()) for v in self._values[name] if isinstance(v, Tensor)]
        fetched = iter(torch.stack(tensors).tolist() if tensors else [])  # one wait for the device
        return np.array([next(fetched) if isinstance(v, Tensor) else float(v) for v in self._values[name]])

    def mean(self, name: str, last: int | None = None) -> float:
        """The mean of the last `last` values under `name` (None: of all)."""
        return float(self[name][-last if last else None :].mean())

    def state_dict(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(self[name]) for name in self.names}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._values = {name: values.tolist() for name, values in state.items()}


@contextmanager
def evaluating(model: nn.Module, autocast: AbstractContextManager | None = None) -> Iterator[nn.Module]:
    """The model in eval mode, and `autocast` entered once, since it keeps its bf16 copies of weights until it ends."""
    training = [module for module in model.modules() if module.training]
    try:
        with autocast or nullcontext():
            yield model.eval()
    finally:
        for module in training:
            module.training = True


class EMA:
    """An exponential moving average of a model's weights: `update()` after each optimizer step, then use `model`.

    `model` is a copy in eval mode. The first update copies the weights, each later one makes them
    decay * average + (1 - decay) * new; buffers are copied each time.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999):
        self.decay, self._source = decay, model
        self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)).eval().requires_grad_(False)

    @property
    def model(self) -> nn.Module:
        return self._average.module

    def update(self) -> None:
        self._average.update_parameters(self._source)

    def state_dict(self) -> dict:
        return {"decay": self.decay, "average": self._average.state_dict()}

    def load_state_dict(self, state: Mapping) -> None:
        self._average.load_state_dict(state["average"])


class Resume:
    """Checkpoints for `batches(..., resume=...)`: a run that was killed goes on as if it had not been.

    objects: by name, everything that training changes (model, optimizer, scheduler, EMA, log), and any plain settings
    (beta=4) that must not change in between. Saved to `path` each `every` steps, with the step and the state of
    PyTorch's random numbers (not of NumPy's and Python's), and deleted when training has come to its end.
    """

    def __init__(self, path: str | os.PathLike, every: int = 200, **objects: object):
        if every < 1:
            raise ValueError(f"every is {every}; it must be at least 1")
        self.path, self.every, self._objects, self._said = Path(path), every, objects, False
        self._settings = outline(objects)  # less what training turns out to change

    def restore(self, settings: dict[str, object], tensors: tuple[Tensor, ...]) -> int:
        """Put the states of the checkpoint into the objects, and return its step; 0 where there is no checkpoint.

        tensors: the data. Raises ValueError, with nothing changed, where the file is damaged, or another run's.
        """
        settings = settings | {"data": ", ".join(f"{tuple(t.shape)} {t.dtype}" for t in tensors)}
        settings |= {"the data's content": ", ".join(map(fingerprint, tensors))}
        self._objects |= {"random": Random(tensors[0].device)}
        self._settings = settings | self._settings | settings  # named first, and those of this time
        if not self.path.exists():
            return 0
        content, before = regular(self.path).read_bytes(), copy.deepcopy(states_of(self._objects))
        try:
            if content[:32] != hashlib.sha256(content[32:]).digest():
                raise ValueError("the digest of the file is another")
            saved = torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)
            step, old, states = saved["step"], saved["settings"], saved["states"]
            now, names = settings | outline(self._objects), old.keys() | states.keys() | outline(states).keys()
            differing = [k for k, v in old.items() if (k, v) not in now.items()]
            differing = [f"{k} was {old[k]}, now {now.get(k, 'absent')}" for k in differing]
            differing += [f"{k} is new" for k in now if k not in names]
            if not differing:
                range(1, settings["n_steps"]).index(step if type(step) is int else 0)  # ValueError for any other
                self._load(states)
        except Exception as error:  # torch.load and load_state_dict raise many kinds
            self._load(before)
            why = f"{self.path} is damaged, or is not a checkpoint of this course"
            raise ValueError(f"{why}; delete it to train from the beginning") from error
        if differing:
            what = "; ".join(differing[:3]) + (f"; and {len(differing) - 3} more" if len(differing) > 3 else "")
            why = f"{self.path} is the checkpoint of another run: {what}"
            raise ValueError(f"{why}. Set that back to go on with it, or delete it to train from the beginning")
        self._settings = old
        return step

    def _load(self, states: Mapping[str, Mapping]) -> None:
        for name in states_of(self._objects):
            self._objects[name].load_state_dict(states[name])

    def save(self, step: int) -> None:
        """Write a checkpoint, so that there is a whole one at any time. Where the disk refuses, training goes on."""
        now, content = outline(self._objects), io.BytesIO()
        self._settings = {k: v for k, v in self._settings.items() if now.get(k, v) == v}
        torch.save({"step": step, "settings": self._settings, "states": states_of(self._objects)}, content)
        whole = hashlib.sha256(content.getvalue()).digest() + content.getvalue()
        self._try(lambda: write_atomically(self.path, lambda file: file.write_bytes(whole)), "cannot be saved")

    def remove(self) -> None:
        """Delete the checkpoint."""
        self._try(lambda: self.path.unlink(missing_ok=True), "of this run, which is over, cannot be deleted")

    def _try(self, change: Callable[[], object], why: str) -> None:
        try:
            change()
        except OSError as error:  # a full or read-only disk: said once
            if not self._said:
                say(f"the checkpoint {why} ({error}); training goes on")
            self._said = True


def save(model: nn.Module, path: str | os.PathLike) -> None:
    """Write the model's weights to `path` as safetensors, whole or not at all, with their digest for `load`."""
    from safetensors.torch import load_file, save_model

    def write(file: Path) -> None:
        save_model(model, str(file))  # which leaves out what is tied
        save_model(model, str(file), {"sha256": digest(load_file(file))})

    write_atomically(Path(path), write)


def load(model: nn.Module, path: str | os.PathLike) -> None:
    """Read weights that `save` wrote into `model`, on its device. ValueError for a damaged file, or another model's.

    The model is then as it was. Files without the digest that `save` writes need only fit.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, load_model

    before = copy.deepcopy(model.state_dict())
    try:
        with safe_open(regular(Path(path)), "pt") as file:
            known = (file.metadata() or {}).get("sha256")
        if known and known != digest(load_file(path)):
            raise RuntimeError("its digest is another, so it is damaged")
        load_model(model, str(path))
    except (SafetensorError, RuntimeError, MemoryError) as error:
        model.load_state_dict(before)
        raise ValueError(f"{path} does not hold the weights of this {type(model).__name__}: {error}") from error


def same(ours: nn.Module, theirs: nn.Module, *inputs: Any, atol: float = 1e-5, method: str = "forward") -> None:
    """Copy the state of `ours` into `theirs`, and say that both then return the same for `inputs`.

    They run in eval mode, without gradients, from one seed. method: what is called, such as "encode"; it returns a
    tensor or a tuple of tensors. Raises AssertionError where shapes differ, or a number by more than `atol`.
    """
    theirs.load_state_dict(ours.state_dict())
    found, what = [], type(theirs).__name__ + (f".{method}" if method != "forward" else "")
    for model in (ours, theirs):
        with evaluating(model), torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            outputs = (model if method == "forward" else getattr(model, method))(*inputs)
            found.append(outputs if isinstance(outputs, tuple | list) else (outputs,))
    shapes = [[tuple(tensor.shape) for tensor in outputs] for outputs in found]
    if shapes[0] != shapes[1]:
        raise AssertionError(f"the package's {what} returns the shapes {shapes[1]}, ours {shapes[0]}")
    largest = torch.stack([(a.float() - b.float()).abs().max() for a, b in zip(*found, strict=True)]).max().item()
    if not largest <= atol:  # nor where it is NaN
        raise AssertionError(f"the package's {what} is another: largest difference {largest:.3g}, more than {atol:g}")
    say(f"the package's {what} is the same: largest difference {largest:.2g}")
