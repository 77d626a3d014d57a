"""What the machine offers: cores, memory, device, precision, profile."""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from pathlib import Path

from aigc_course.plumbing.settings import setting

FULL_GB = 8  # GPU memory, in 1e9 bytes, from which the full profile is the default


def in_notebook() -> bool:
    """True in a Jupyter or Colab kernel, False in a terminal or a script."""
    return "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_gb() -> float:
    """The most memory that this process has held, in 1e9 bytes."""
    try:  # Linux; there ru_maxrss starts at the size of the process that started this one
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e9
    except (OSError, IndexError):
        if sys.platform == "win32":
            import psutil

            return psutil.Process().memory_info().peak_wset / 1e9
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def bf16_speedup(width: int = 512, repeats: int = 10) -> float:
    """How many times faster this CPU multiplies two (width, width) matrices in bfloat16 than in float32."""
    import torch

    pairs = [(dtype, torch.ones(width, width, dtype=dtype)) for dtype in (torch.float32, torch.bfloat16)]
    best = {dtype: math.inf for dtype, _ in pairs}  # the quickest of several: the machine may have other work too
    for i in range(repeats):
        for dtype, a in pairs:
            start = time.perf_counter()
            a @ a
            best[dtype] = min(best[dtype], time.perf_counter() - start)
        if i >= 2 and best[torch.bfloat16] > 4 * best[torch.float32]:
            break  # emulated: a hundred times as slow, so that more of it would be felt
    return best[torch.float32] / best[torch.bfloat16]


def examine() -> dict:
    """What `setup` and `describe` say of the machine; ValueError for a setting that cannot be met."""
    import torch

    name = "cuda" if torch.cuda.is_available() else "cpu"
    if chosen := setting("AIGC_DEVICE"):
        try:
            name = torch.empty(1, device=chosen).device.type
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"AIGC_DEVICE is {chosen!r}, which is not here; it can be cpu, cuda, mps, unset"
            ) from error
    gpu_gb = torch.cuda.get_device_properties(name).total_memory / 1e9 if name == "cuda" else None
    if chosen := setting("AIGC_DTYPE", "float32", "bfloat16"):
        bf16 = chosen == "bfloat16"
    elif name == "cuda":  # the hardware's word, not PyTorch's: a T4 (7.5) "supports" bfloat16, and emulates it
        bf16 = torch.cuda.get_device_capability(name) >= (8, 0)
    else:
        bf16 = name == "cpu" and bf16_speedup() >= 1.3
    text = f"cuda, {torch.cuda.get_device_name(name)}, {gpu_gb:.0f} GB" if gpu_gb else f"{name}, {cores()} cores"
    return {
        "device": torch.device(name),
        "dtype": torch.bfloat16 if bf16 else torch.float32,
        "profile": setting("AIGC_PROFILE", "smoke", "lesson", "full")
        or ("full" if (gpu_gb or 0) >= FULL_GB else "lesson"),
        "device_text": f"{text}, {'bf16' if bf16 else 'fp32'}",
        "gpu_memory_gb": gpu_gb,
        "torch": str(torch.__version__),
    }


def describe() -> dict[str, object]:
    """The machine, for `aigc-course doctor`: python, cores, memory_gb, torch, device, dtype, gpu_memory_gb, profile.

    What cannot be known (without PyTorch: the last five) is None. Raises ValueError for a bad AIGC_ setting.
    """
    found = dict.fromkeys(("python", "cores", "memory_gb", "torch", "device", "dtype", "gpu_memory_gb", "profile"))
    found |= {"python": platform.python_version(), "cores": cores()}
    try:
        import psutil

        found["memory_gb"] = psutil.virtual_memory().total / 1e9
        machine = examine()
    except (ImportError, OSError):  # OSError: a PyTorch whose libraries do not load
        return found
    found |= {"device": machine["device_text"], "dtype": str(machine["dtype"]).removeprefix("torch.")}
    return found | {key: machine[key] for key in ("torch", "gpu_memory_gb", "profile")}
