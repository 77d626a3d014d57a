"""What surrounds a training loop: batches with a progress bar, the log, averaged weights, resuming after a kill."""

import io
import math
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from aigc_course.plumbing.machine import in_notebook
from aigc_course.plumbing.settings import setting, write_atomically


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
            rows = ", ".join(f"{tuple(t.shape)} {t.dtype}" for t in tensors)
            start = resume.restore({"n_steps": n_steps, "batch_size": batch_size, "seed": seed, "data": rows}, device)
        bar = _Progress(start, n_steps) if progress else None
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


class _Progress:
    """A bar, drawn at most four times a second, in a terminal or a notebook; elsewhere only the line that it leaves."""

    def __init__(self, start: int, n_steps: int):
        self.start, self.n_steps, self.began, self.due = start, n_steps, time.perf_counter(), math.inf
        self.handle = self.bar = None
        if setting("AIGC_QUIET", "0", "1") == "1":
            return
        if in_notebook():
            from IPython.display import display

            self.handle, self.due = display(self._bundle(start), raw=True, display_id=True), 0.0
        elif sys.stderr.isatty():
            from tqdm import tqdm

            self.bar, self.due = tqdm(total=n_steps, initial=start, unit=" steps", leave=False, dynamic_ncols=True), 0.0

    def _bundle(self, step: int) -> dict[str, str]:
        took = time.perf_counter() - self.began
        left = took / max(1, step - self.start) * (self.n_steps - step)
        text = f"step {step:,} of {self.n_steps:,}, {_seconds(took)}, about {_seconds(left)} left"
        bar = f'<progress value="{step}" max="{self.n_steps}" style="width: 20em"></progress>'
        return {"text/plain": text, "text/html": f"{bar} {text}"}

    def show(self, step: int) -> None:
        self.due = time.perf_counter() + 0.25
        if self.handle is not None:
            self.handle.update(self._bundle(step), raw=True)
        else:
            self.bar.update(step - self.bar.n)

    def close(self, left_at: int | None) -> None:
        took = _seconds(time.perf_counter() - self.began)
        text = f"{self.n_steps - self.start:,} steps in {took}"
        if left_at is not None:
            text = f"stopped at step {left_at:,} of {self.n_steps:,} after {took}"
        text += f" (resumed after step {self.start:,})" if self.start else ""
        if self.handle is not None:
            return self.handle.update({"text/plain": text}, raw=True)
        if self.bar is not None:
            self.bar.close()
        print(text)


def _seconds(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 119.5 else f"{seconds:.{1 if seconds < 9.95 else 0}f} s"


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
        self.path, self.every, self.objects = Path(path), every, objects
        self._settings = self._outline()

    def _outline(self) -> dict[str, object]:
        """The states of all objects as one flat dict, with the shape and type of a tensor in its place."""
        flat: dict[str, object] = {}

        def walk(name: str, value: object) -> None:
            if hasattr(value, "state_dict"):
                flat[name] = type(value).__name__
                value = value.state_dict()
            if isinstance(value, Mapping | list | tuple):
                for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                    walk(f"{name}.{key}", item)
            elif isinstance(value, Tensor):
                flat[name] = f"{tuple(value.shape)} {value.dtype}"
            elif name not in flat:
                flat[name] = value if isinstance(value, int | float | str | None) else type(value).__name__

        for name, value in self.objects.items():
            walk(name, value)
        return flat

    def restore(self, settings: dict[str, object], device: torch.device) -> int:
        """Put the states of the checkpoint into the objects, and return its step; 0 where there is no checkpoint.

        Raises ValueError, with nothing changed, where the file is damaged, or holds another run's states.
        """
        self._device, self._settings = device, settings | self._settings
        if not self.path.exists():
            return 0
        content = io.BytesIO(self.path.read_bytes())
        try:
            saved = torch.load(content, map_location="cpu", weights_only=True)
            step, old, names, states, rng = (saved[key] for key in ("step", "settings", "names", "states", "rng"))
        except Exception as error:  # torch.load raises many kinds
            why = f"{self.path} is damaged, or is not a checkpoint of this course"
            raise ValueError(f"{why}; delete it to train from the beginning") from error
        now = settings | self._outline()
        differing = [f"{k} was {v}, now {now.get(k, 'absent')}" for k, v in old.items() if k not in now or now[k] != v]
        differing += [f"{k} is new" for k in now if k not in names]
        if differing:
            what = "; ".join(differing[:3]) + (f"; and {len(differing) - 3} more" if len(differing) > 3 else "")
            why = f"{self.path} is the checkpoint of another run: {what}"
            raise ValueError(f"{why}. Set that back to go on with it, or delete it to train from the beginning")
        self._settings = old
        for name, state in states.items():
            self.objects[name].load_state_dict(state)
        torch.set_rng_state(rng["cpu"])
        if device.type != "cpu" and device.type in rng:
            getattr(torch, device.type).set_rng_state(rng[device.type])
        return step

    def save(self, step: int) -> None:
        """Write a checkpoint, so that there is a whole one at any time. Where the disk refuses, training goes on."""
        now = self._settings | self._outline()
        self._settings = {k: v for k, v in self._settings.items() if now[k] == v}  # what training does not change
        rng = {"cpu": torch.get_rng_state()}
        if self._device.type != "cpu":
            rng[self._device.type] = getattr(torch, self._device.type).get_rng_state()
        states = {name: item.state_dict() for name, item in self.objects.items() if hasattr(item, "state_dict")}
        saved = {"step": step, "settings": self._settings, "names": list(now), "states": states, "rng": rng}
        try:
            write_atomically(self.path, lambda file: torch.save(saved, file))
        except (OSError, RuntimeError) as error:  # a full or read-only disk
            print(f"no checkpoint at step {step:,} ({error}); training goes on")

    def remove(self) -> None:
        """Delete the checkpoint, and what a kill while saving has left."""
        for path in (self.path, self.path.with_name(self.path.name + ".tmp")):
            path.unlink(missing_ok=True)


def save(model: nn.Module, path: str | os.PathLike) -> None:
    """Write the model's weights to `path` as safetensors, whole or not at all."""
    from safetensors.torch import save_model

    write_atomically(Path(path), lambda file: save_model(model, str(file)))


def load(model: nn.Module, path: str | os.PathLike) -> None:
    """Read weights that `save` wrote into `model`, on its device. ValueError for a damaged file, or another model's."""
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    try:
        load_model(model, str(path))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold the weights of this {type(model).__name__}: {error}") from error
