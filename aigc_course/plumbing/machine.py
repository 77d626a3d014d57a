"""What the machine offers: cores, memory, device, precision, profile."""

import os
import platform
import sys
import time
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from aigc_course.plumbing.console import say
from aigc_course.plumbing.settings import SettingError, setting

FULL_GB = 8  # GPU memory, in 1e9 bytes, from which the full profile is the default


def calm(env: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads of what loads torch with `env` sleep: OpenMP's spin, and stall it beside any other load."""
    env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    env.setdefault("KMP_BLOCKTIME", "0")  # Intel's and LLVM's OpenMP: milliseconds


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


def fast_bf16() -> bool:
    """Whether this CPU is to multiply matrices in bfloat16: its flags say, so that no stopwatch decides a run.

    Measured only where they leave it open: other kinds of CPU, AVX512 outside Linux, a oneDNN that is held back.
    """
    import torch

    if platform.machine().lower() in ("x86_64", "amd64") and not setting("ONEDNN_MAX_CPU_ISA"):
        with suppress(OSError, IndexError):
            flags = Path("/proc/cpuinfo").read_text().split("\nflags")[1].split("\n")[0].split()
            return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)
        if torch.backends.cpu.get_cpu_capability() != "AVX512":
            return False
    return bf16_speedup() >= 1.3


def bf16_speedup(width: int = 512, repeats: int = 10) -> float:
    """How many times faster this CPU multiplies two (width, width) matrices in bfloat16 than in float32."""
    import torch

    pairs = [(dtype, torch.ones(width, width, dtype=dtype)) for dtype in (torch.float32, torch.bfloat16)]
    best = {dtype: float("inf") for dtype, _ in pairs}  # the quickest of several: the machine may have other work too
    for i in range(repeats):
        for dtype, a in pairs:
            start = time.perf_counter()
            a @ a
            best[dtype] = min(best[dtype], time.perf_counter() - start)
        if i >= 2 and best[torch.bfloat16] > 4 * best[torch.float32]:
            break  # emulated: a hundred times as slow, so that more of it would be felt
    return best[torch.float32] / best[torch.bfloat16]


def fault(device: str) -> str:
    """Why this PyTorch cannot compute on the device (for an old GPU it may have no kernels), or ""."""
    import torch

    try:
        a = torch.ones(8, 8, device=device)
        (a @ a).sum().item()
    except (RuntimeError, AssertionError) as error:
        return str(error).partition("\n")[0].rstrip(".")
    return ""


def examine() -> dict:
    """What `setup` and `describe` say of the machine; ValueError for a setting that cannot be met."""
    import torch

    chosen = setting("AIGC_DEVICE", "cpu", "cuda", "mps")
    name = chosen or ("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and (why := fault(name)):
        if chosen:
            raise SettingError(f"AIGC_DEVICE is {name!r}, which does not work here ({why}); unset it, or set it to cpu")
        say(f"This PyTorch cannot use the GPU ({why}); the course goes on with the CPU.")
        name = "cpu"
    gpu_gb = torch.cuda.get_device_properties(name).total_memory / 1e9 if name == "cuda" else None
    if chosen := setting("AIGC_DTYPE", "float32", "bfloat16"):
        bf16 = chosen == "bfloat16"
    elif name == "cuda":  # the hardware's word, not PyTorch's: a T4 (7.5) "supports" bfloat16, and emulates it
        bf16 = torch.cuda.get_device_capability(name) >= (8, 0)
    else:
        bf16 = name == "cpu" and fast_bf16()
    profile = setting("AIGC_PROFILE", "smoke", "lesson", "full") or ("full" if (gpu_gb or 0) >= FULL_GB else "lesson")
    text = f"cuda, {torch.cuda.get_device_name(name)}, {gpu_gb:.0f} GB" if gpu_gb else f"{name}, {cores()} cores"
    return {
        "device": torch.device(name),
        "dtype": torch.bfloat16 if bf16 else torch.float32,
        "profile": profile,
        "device_text": f"{text}, {'bf16' if bf16 else 'fp32'}",
        "gpu_memory_gb": gpu_gb,
        "torch": str(torch.__version__),
    }


def describe() -> dict[str, object]:
    """The machine, for `aigc-course doctor`: python, cores, memory_gb, torch, device, dtype, gpu_memory_gb, profile.

    What cannot be known (without PyTorch: the last five) is None. Raises ValueError for a bad AIGC_ setting.
    """
    unknown = ("memory_gb", "torch", "device", "dtype", "gpu_memory_gb", "profile")
    found = {"python": platform.python_version(), "cores": cores()} | dict.fromkeys(unknown)
    with suppress(ImportError, OSError):  # OSError: a PyTorch whose libraries do not load
        import psutil

        found["memory_gb"] = psutil.virtual_memory().total / 1e9
        machine = examine()
        found |= {key: machine[key] for key in ("torch", "gpu_memory_gb", "profile")}
        found |= {"device": machine["device_text"], "dtype": str(machine["dtype"]).removeprefix("torch.")}
    return found
