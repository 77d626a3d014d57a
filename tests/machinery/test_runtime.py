"""The machine's description, the choices made from it, and the claims of a run."""

import json
import os
import random
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aigc_course import runtime
from aigc_course.plumbing import console, fetch, machine, rooms, settings

FAST_BF16 = machine.fast_bf16
GENUINE, STANDIN = {"mnist": "upstream"}, {"mnist": "stand-in"}


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    """No AIGC_ setting of the surroundings, a CPU without fast bfloat16, genuine data."""
    for name in os.environ:
        if name.startswith("AIGC_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "fast_bf16", lambda: False)
    monkeypatch.setattr(fetch, "used", dict(GENUINE))


def run_in(profile, monkeypatch):
    monkeypatch.setenv("AIGC_PROFILE", profile)
    return runtime.setup()


def python(code, encoding=None, **env):
    """What `code` prints in a fresh process."""
    env = os.environ | {"PYTHONPATH": str(Path(runtime.__file__).parents[1])} | env
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, encoding=encoding, text=True, check=True).stdout


def test_setup_says_what_it_chose_in_one_line(capsys):
    run = runtime.setup(seed=3)
    n = machine.cores()
    assert capsys.readouterr().out == f"profile lesson · cpu, {n} cores, fp32 · torch {torch.__version__} · seed 3\n"
    assert (run.profile, run.device, run.dtype, run.seed) == ("lesson", torch.device("cpu"), torch.float32, 3)


def test_setup_seeds_all_three_generators():
    def draws(seed):
        runtime.setup(seed)
        return random.random(), np.random.rand(), torch.rand(()).item()

    first = draws(0)
    assert draws(0) == first
    assert all(a != b for a, b in zip(draws(1), first, strict=True))


def test_the_seed_setting_has_the_last_word(monkeypatch):
    monkeypatch.setenv("AIGC_SEED", "7")
    assert runtime.setup(seed=0).seed == 7
    assert torch.initial_seed() == 7


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIGC_PROFILE", "huge", "AIGC_PROFILE is 'huge'; it can be smoke, lesson, full, or unset"),
        ("AIGC_DTYPE", "fp8", "AIGC_DTYPE is 'fp8'; it can be float32, bfloat16, or unset"),
        ("AIGC_DEVICE", "gpu", "AIGC_DEVICE is 'gpu'.*cpu, cuda, mps"),
        ("AIGC_DEVICE", "meta", "AIGC_DEVICE is 'meta'.*cpu, cuda, mps"),  # it is there, and computes nothing
        ("AIGC_DEVICE", "cuda", r"AIGC_DEVICE is 'cuda', which does not work here \(.+\); unset it, or set it to cpu"),
        ("AIGC_SEED", "-1", "AIGC_SEED must be a whole number from 0 to .*, not '-1'"),
        ("AIGC_SEED", "abc", "AIGC_SEED must be a whole number from 0 to .*, not 'abc'"),
        ("AIGC_SEED", str(2**64), "AIGC_SEED must be a whole number from 0 to .*, not '1844"),
    ],
)
def test_a_bad_setting_is_named(name, value, said, monkeypatch):
    if value == "cuda" and torch.cuda.device_count():
        pytest.skip("there is a GPU here, so asking for it is right")
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        runtime.setup()


def test_a_bad_seed_in_the_page_does_not_blame_the_setting():
    with pytest.raises(ValueError, match="^the seed must be a whole number from 0 to .*, not '-1'"):
        runtime.setup(-1)


def test_a_gpu_without_kernels_is_left_aside_in_a_sentence(monkeypatch, capsys):
    """As a P100 is for PyTorch's newer wheels: it is "available", and the first operation raises."""
    ones = torch.ones

    def no_kernel(*shape, device="cpu", **options):
        if device == "cuda":
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nSearch for it.")
        return ones(*shape, **options)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", no_kernel)
    run = runtime.setup()
    assert (run.device.type, run.profile) == ("cpu", "lesson")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("This PyTorch cannot use the GPU (CUDA error: no kernel image is available")
    assert first.endswith("; the course goes on with the CPU.") and second.startswith("profile lesson · cpu")
    monkeypatch.setenv("AIGC_DEVICE", "cuda")
    with pytest.raises(ValueError, match="AIGC_DEVICE is 'cuda', which does not work here .CUDA error: no kernel"):
        runtime.setup()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_console_can_be_talked_to(encoding):
    said = python(
        "from aigc_course import runtime\n"
        "run = runtime.setup()\nrun.record('loss', 1)\nrun.claim('loss', 'Fréchet → small', full='<= 1')",
        PYTHONIOENCODING=encoding,
        encoding=encoding,
    )
    dot, said_of = {"ascii": ("?", "Fr?chet ?"), "cp1252": ("·", "Fréchet ?"), "utf-8": ("·", "Fréchet →")}[encoding]
    assert f"profile lesson {dot} cpu" in said and f"{said_of} small" in said


def test_an_empty_setting_counts_as_unset(monkeypatch):
    for name in ("PROFILE", "DTYPE", "DEVICE", "SEED", "STRICT", "RUN_FILE"):
        monkeypatch.setenv(f"AIGC_{name}", "")
    assert runtime.setup().profile == "lesson"


@pytest.mark.parametrize(
    ("gpu", "capability", "gb", "dtype", "profile"),
    [
        ("Tesla T4", (7, 5), 15.8, torch.float32, "full"),
        ("NVIDIA A100", (8, 0), 42.4, torch.bfloat16, "full"),
        ("NVIDIA H200", (9, 0), 150.0, torch.bfloat16, "full"),
        ("GeForce RTX 3060 Laptop", (8, 6), 6.4, torch.bfloat16, "lesson"),
        ("GeForce RTX 3070", (8, 6), 8.4, torch.bfloat16, "full"),
        ("GeForce GTX 1060", (6, 1), 6.4, torch.float32, "lesson"),
    ],
)
def test_choices_by_gpu(gpu, capability, gb, dtype, profile, monkeypatch, capsys):
    for name, value in {
        "is_available": True,
        "is_bf16_supported": True,  # which a T4 says too: it must not be what decides
        "get_device_capability": capability,
        "get_device_properties": SimpleNamespace(total_memory=int(gb * 1e9)),
        "get_device_name": gpu,
        "reset_peak_memory_stats": None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *args, value=value: value)
    monkeypatch.setattr(machine, "fault", lambda device: "")
    run = runtime.setup()
    assert (run.device.type, run.dtype, run.profile) == ("cuda", dtype, profile)
    assert f"cuda, {gpu}, {gb:.0f} GB, {'bf16' if dtype is torch.bfloat16 else 'fp32'}" in capsys.readouterr().out
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    monkeypatch.setenv("AIGC_DTYPE", "float32")
    monkeypatch.setenv("AIGC_DEVICE", "cpu")
    run = runtime.setup()
    assert (run.device.type, run.dtype, run.profile) == ("cpu", torch.float32, "smoke")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cpu_gets_bfloat16_where_it_is_faster(dtype, monkeypatch):
    monkeypatch.setattr(machine, "fast_bf16", lambda: dtype is torch.bfloat16)
    run = runtime.setup()
    assert run.dtype is dtype
    with warnings.catch_warnings(), run.autocast():
        warnings.simplefilter("error")
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype is dtype
        assert torch.ones(4).exp().sum().dtype is torch.float32


@pytest.mark.parametrize(
    ("flags", "fast"),
    [("avx2 fma", False), ("avx2 avx512f avx512bw", False), ("avx512f avx512_bf16", True), ("amx_tile amx_bf16", True)],
)
def test_the_flags_of_a_processor_choose_its_precision_not_a_stopwatch(flags, fast, monkeypatch):
    """A busy machine with AVX512 and without bfloat16 chose now one and now the other, so that no seed fixed a run."""
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(machine.Path, "read_text", lambda path: f"model name\t: CPU\nflags\t\t: {flags}\nbugs\t\t:\n")
    monkeypatch.setattr(machine, "bf16_speedup", lambda: pytest.fail("measured"))
    assert FAST_BF16() is fast


@pytest.mark.parametrize(
    ("processor", "cpuinfo", "capability", "env", "measured"),
    [
        ("aarch64", "Features : bf16", "DEFAULT", {}, True),
        ("x86_64", "flags", "AVX2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, True),  # it may have them, and not use them
        ("AMD64", None, "AVX512", {}, True),  # Windows
        ("AMD64", None, "AVX2", {}, False),
    ],
)
def test_where_flags_leave_it_open_the_precision_is_measured(
    processor, cpuinfo, capability, env, measured, monkeypatch
):
    def read_text(path):
        if cpuinfo is None:
            raise FileNotFoundError(path)
        return cpuinfo

    monkeypatch.setattr(machine.platform, "machine", lambda: processor)
    monkeypatch.setattr(machine.Path, "read_text", read_text)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    for speedup in (1.29, 1.3):
        monkeypatch.setattr(machine, "bf16_speedup", lambda speedup=speedup: speedup)
        assert FAST_BF16() is (measured and speedup == 1.3)


def test_the_precision_of_a_cpu_is_measured():
    assert 0.001 < machine.bf16_speedup() < 100


@pytest.mark.parametrize(
    ("took", "speedup", "n_rounds"),
    [
        (lambda i: (2, 1), 2, 10),
        (lambda i: (9 if i < 5 else 2, 1 if i == 2 else 50), 2, 10),  # others use the machine: the quickest counts
        (lambda i: (2, 80), 1 / 40, 3),  # emulated: not ten times
    ],
)
def test_the_measurement_of_a_cpu(took, speedup, n_rounds, monkeypatch):
    rounds, clock = [], [0.0]

    class Product:
        def __init__(self, which):
            self.which = which

        def __matmul__(self, other):
            rounds.append(self.which)
            clock[0] += took((len(rounds) - 1) // 2)[self.which]

    monkeypatch.setattr(torch, "ones", lambda *shape, dtype: Product(int(dtype is torch.bfloat16)))
    monkeypatch.setattr(machine, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert machine.bf16_speedup() == pytest.approx(speedup)
    assert rounds == [0, 1] * n_rounds


def test_the_dtype_setting_spares_the_measurement(monkeypatch):
    monkeypatch.setattr(machine, "fast_bf16", lambda: pytest.fail("asked all the same"))
    monkeypatch.setenv("AIGC_DTYPE", "bfloat16")
    assert runtime.setup().dtype is torch.bfloat16


@pytest.mark.parametrize(("profile", "value"), [("smoke", 1), ("lesson", 2), ("full", 3)])
def test_budget(profile, value, monkeypatch):
    assert run_in(profile, monkeypatch).budget(smoke=1, lesson=2, full=3) == value


def test_record_keeps_plain_numbers():
    run = runtime.setup()
    assert run.record("a", torch.tensor(1.5, requires_grad=True)) == 1.5
    assert run.record("b", np.float32(0.25)) == 0.25
    assert run.record("c", 3) == 3
    assert run.record("c", 4) == 4  # a cell run again
    assert run.figures == {"a": 1.5, "b": 0.25, "c": 4}
    assert {type(value) for value in run.figures.values()} == {float, int}
    with pytest.raises(TypeError, match="the figure d must be a number, not str"):
        run.record("d", "93.8")


@pytest.mark.parametrize("name", ["", "two words", "fd-plain", "a|b", "<b>", "a\n", "3d", "größe", 3, None])
def test_figures_have_plain_names(name):
    run = runtime.setup()
    with pytest.raises(ValueError, match="a figure is called like iwae_500, with letters, digits and _, not"):
        run.record(name, 1)
    assert run.figures == {}


@pytest.mark.parametrize(
    "text", ["", " ", "two\nlines", "a\x1b[31m", "<!-- ", "ends -->", "<b>bold</b>", "</td>", None, 3]
)
def test_claims_are_one_line_without_markup(text):
    run = runtime.setup()
    run.record("loss", 1)
    with pytest.raises(ValueError, match="a claim is one line of words, without <tags> and comments, not"):
        run.claim("loss", text, lesson="<= 1")
    assert run.claimed == {}
    assert run.claim("loss", "|loss| < 2 and > 0, F₁ – “half”", lesson="<= 1") is True


@pytest.mark.parametrize(
    ("profile", "used", "value", "met", "said"),
    [
        ("lesson", GENUINE, 93.8, True, r"held: small \(loss = 93.8, claimed <= 95; data: mnist upstream\)"),
        ("lesson", GENUINE, 95.0, True, "held"),
        ("lesson", GENUINE, 95.1, False, r"NOT HELD: small \(loss = 95.1, claimed <= 95; data: mnist upstream\)"),
        ("lesson", GENUINE, float("nan"), False, "NOT HELD.*nan"),
        ("lesson", GENUINE, None, False, r"NOT HELD: small \(loss was never recorded, claimed <= 95"),
        ("full", GENUINE, 93.8, False, "NOT HELD.*claimed <= 93"),
        ("full", GENUINE, 92.0, True, "held"),
        ("lesson", STANDIN, 61.0, False, "NOT HELD.*claimed <= 60; data: mnist stand-in"),
        ("full", STANDIN, 59.0, True, "held"),
        (
            "smoke",
            GENUINE,
            500.0,
            None,
            r"not claimed in the smoke profile: small \(loss = 500; data: mnist upstream\)",
        ),
        ("smoke", STANDIN, 500.0, None, "not claimed in the smoke profile"),
        ("smoke", GENUINE, None, False, "NOT HELD.*never recorded"),  # a misspelt figure shows in the tests
    ],
)
def test_a_claim_is_held_or_not_or_not_made(profile, used, value, met, said, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "used", used)
    run = run_in(profile, monkeypatch)
    if value is not None:
        run.record("loss", value)
    capsys.readouterr()
    assert run.claim("loss", "small", lesson="<= 95", full="<= 93", standin="<= 60") is met
    assert re.match(said, capsys.readouterr().out)
    assert [claim["met"] for claim in run.claimed.values()] == [met]
    monkeypatch.setenv("AIGC_STRICT", "1")
    if met is False:
        with pytest.raises(runtime.ClaimFailed, match="NOT HELD: small"):
            run.claim("loss", "small", lesson="<= 95", full="<= 93", standin="<= 60")
    else:
        assert run.claim("loss", "small", lesson="<= 95", full="<= 93", standin="<= 60") is met


@pytest.mark.parametrize(
    ("profile", "used", "bounds", "said"),
    [
        ("lesson", GENUINE, {"full": "<= 1"}, "not claimed in the lesson profile"),
        ("full", GENUINE, {"lesson": "<= 1"}, "not claimed in the full profile"),
        ("lesson", STANDIN, {"lesson": "<= 1"}, "not claimed with stand-in data"),
        ("smoke", GENUINE, {"full": "<= 1"}, "not claimed in the smoke profile"),
    ],
)
def test_no_bound_no_claim(profile, used, bounds, said, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "used", used)
    monkeypatch.setenv("AIGC_STRICT", "1")
    assert run_in(profile, monkeypatch).claim("never_recorded_here", "small", **bounds) is None
    assert capsys.readouterr().out.splitlines()[-1].startswith(said)


@pytest.mark.parametrize(
    ("bound", "met"), [("<= 2", True), (">= 2", True), ("< 2", False), ("> 2", False), (">= -1e3", True)]
)
def test_comparisons(bound, met):
    run = runtime.setup()
    run.record("x", 2)
    assert run.claim("x", "two", lesson=bound) is met


@pytest.mark.parametrize("bound", ["95", "<=95", "= 95", "<= much", "", 95])
def test_a_bad_bound_is_an_error_in_every_profile(bound, monkeypatch):
    run = run_in("smoke", monkeypatch)
    run.record("x", 2)
    with pytest.raises(ValueError, match="a bound reads like"):
        run.claim("x", "text", full=bound)


def test_the_run_file(monkeypatch, tmp_path):
    path = tmp_path / "new folder" / "run.json"
    monkeypatch.setenv("AIGC_RUN_FILE", str(path))
    run = runtime.setup(seed=2)
    assert json.loads(path.read_text())["figures"] == {}
    run.record("loss", 93.8)
    run.record("broken", float("nan"))
    assert json.loads(path.read_text())["figures"] == {"loss": 93.8, "broken": None}
    run.claim("loss", "small", lesson="<= 90")
    run.claim("loss", "small", lesson="<= 95")  # the cell changed and run again: one claim, not two
    run.claim("broken", "a number", lesson="<= 95")
    run.record("loss", 1)  # a claim keeps the value that it was judged by
    state = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert state.pop("minutes") > 0
    assert 0.05 < state.pop("peak_gb") < 100
    assert state == {
        "seed": 2,
        "profile": "lesson",
        "device": f"cpu, {machine.cores()} cores, fp32",
        "torch": str(torch.__version__),
        "data": {"mnist": "upstream"},
        "figures": {"loss": 1, "broken": None},
        "claims": [
            {"text": "small", "figure": "loss", "bound": "<= 95", "value": 93.8, "met": True},
            {"text": "a number", "figure": "broken", "bound": "<= 95", "value": None, "met": False},
        ],
    }
    assert [p.name for p in path.parent.iterdir()] == ["run.json"]


CLAIMS = """
[[claim]]
figure = "fd"
text = "Fréchet distance; a copier has 2"
lesson = "<= 8"

[[claim]]
figure = "kid"
text = "kernel distance; its floor is near 0"
lesson = "<= 0.06"
full = "<= 0.03"

[[claim]]
figure = "recall"
text = "recall"
full = ">= 0.5"

[[claim]]
figure = "extra"
text = "only where it is measured"
optional = true
lesson = "<= 1"
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page with claims, 98_made_up, on genuine data."""
    (tmp_path / "98_made_up").mkdir()
    (tmp_path / "98_made_up/claims.toml").write_text(CLAIMS, encoding="utf-8")
    monkeypatch.setattr(rooms, "place", lambda name: tmp_path)
    return "98_made_up"


def test_claims_are_one_table(page, capsys):
    run = runtime.setup()
    run.record(fd=4.25, kid=0.07)
    capsys.readouterr()
    assert run.claims(page) is None
    assert capsys.readouterr().out.splitlines() == [
        "claim                                 figure    value  bound    verdict",
        "Fréchet distance; a copier has 2      fd        4.250  <= 8     held",
        "kernel distance; its floor is near 0  kid     0.07000  <= 0.06  NOT HELD",
        "recall                                recall        –  –        not claimed in the lesson profile",
        "data: mnist upstream",
    ]
    assert [claim["met"] for claim in run.claimed.values()] == [True, False, None]
    assert run.claimed["kid", "kernel distance; its floor is near 0"]["bound"] == "<= 0.06"


def test_in_a_notebook_the_table_of_claims_is_html(page, monkeypatch):
    import IPython.display

    sent = []
    run = runtime.setup()
    run.record(kid=0.01, extra=0.5)
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: sent.append(bundle))
    run.claims(page)
    (bundle,) = sent
    assert bundle["text/html"].startswith("<table>") and "<em>data: mnist upstream</em>" in bundle["text/html"]
    assert "&lt;= 0.06" in bundle["text/html"] and "only where it is measured" in bundle["text/html"]
    assert "NOT HELD: never recorded" in bundle["text/html"]  # fd


def test_strict_claims_raise_below_the_whole_table(page, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_STRICT", "1")
    run = runtime.setup()
    run.record(fd=9, kid=0.07)
    with pytest.raises(runtime.ClaimFailed) as failed:
        run.claims(page)
    first, second = str(failed.value).splitlines()
    assert re.match("NOT HELD: .*fd = 9", first) and re.match("NOT HELD: .*kid = 0.07", second)
    assert capsys.readouterr().out.endswith("data: mnist upstream\n") and len(run.claimed) == 3


def test_several_figures_are_recorded_at_once():
    run = runtime.setup()
    row = {"fd": torch.tensor(3.5), "kid": 0.25, "value": 1, "name": 2}
    assert run.record(**row, fd_floor=2) is None
    assert run.figures == {"fd": 3.5, "kid": 0.25, "value": 1, "name": 2, "fd_floor": 2}
    assert run.record("loss", torch.tensor([2.0])) == 2.0
    with pytest.raises(TypeError, match="the figure word must be a number, not str"):
        run.record(fd=9.0, word="no")
    assert run.figures["fd"] == 3.5  # all or none
    with pytest.raises(ValueError, match="a figure is called like iwae_500"):
        run.record(None, 3)


def test_a_failed_claim_is_in_the_run_file_before_it_raises(monkeypatch, tmp_path):
    monkeypatch.setenv("AIGC_RUN_FILE", str(tmp_path / "run.json"))
    monkeypatch.setenv("AIGC_STRICT", "1")
    with pytest.raises(runtime.ClaimFailed):
        runtime.setup().claim("loss", "small", lesson="<= 1")
    assert json.loads((tmp_path / "run.json").read_text())["claims"][0]["met"] is False


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    settings.write_atomically(path, lambda file: file.write_text("old"))

    def half(file):
        file.write_text("ne")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        settings.write_atomically(path, half)
    assert path.read_text() == "old"


def test_peak_memory_counts_what_was_held_and_given_back():
    before, after = map(
        float,
        python(
            "from aigc_course.plumbing import machine\n"
            "print(machine.peak_gb()); a = b'x' * 300_000_000; del a; print(machine.peak_gb())"
        ).split(),
    )
    assert before < 0.1
    assert 0.29 < after - before < 0.4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands the parent's peak on to a new program")
def test_peak_memory_is_not_the_parents():
    child = "from aigc_course.plumbing import machine; print(machine.peak_gb())"
    peak = python(f"import subprocess, sys; a = b'x' * 400_000_000; subprocess.run([sys.executable, '-c', {child!r}])")
    assert float(peak) < 0.1


def test_describe(monkeypatch):
    found = machine.describe()
    assert found["python"] == sys.version.split()[0]
    assert (found["torch"], found["dtype"], found["profile"]) == (str(torch.__version__), "float32", "lesson")
    assert found["device"] == f"cpu, {machine.cores()} cores, fp32"
    assert found["memory_gb"] > 1 and found["gpu_memory_gb"] is None


def test_without_torch_the_module_imports_and_describes():
    said = python(
        "import sys\n"
        "import aigc_course.runtime\n"
        "from aigc_course.plumbing import machine\n"
        "assert not {'torch', 'numpy', 'IPython', 'matplotlib'} & set(sys.modules)\n"
        "sys.modules['torch'] = None\n"
        "found = machine.describe()\n"
        "print(found['torch'], found['device'], found['profile'], found['cores'] > 0, found['memory_gb'] > 0)"
    )
    assert said == "None None None True True\n"


@pytest.mark.parametrize(
    ("platform", "env", "folder"),
    [
        ("linux", {"AIGC_CACHE": "/data/course"}, "/data/course"),
        ("linux", {}, "/home/ada/.cache/aigc_course"),
        ("linux", {"XDG_CACHE_HOME": "/big"}, "/big/aigc_course"),
        ("darwin", {}, "/home/ada/Library/Caches/aigc_course"),
        ("win32", {}, "/home/ada/AppData/Local/aigc_course/Cache"),
        ("win32", {"LOCALAPPDATA": "/d/local"}, "/d/local/aigc_course/Cache"),
    ],
)
def test_cache_folder(platform, env, folder, monkeypatch):
    monkeypatch.setattr(settings.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert settings.cache_dir() == Path(folder)


def test_threads_that_wait_sleep_unless_the_learner_says_otherwise():
    env = {"OMP_WAIT_POLICY": "ACTIVE"}
    machine.calm(env)
    assert env == {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "0"}
    env = {}
    machine.calm(env)
    assert env == {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    code = "import os, torch; torch.ones(600, 600) @ torch.ones(600, 600)"
    shown = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env | {"OMP_DISPLAY_ENV": "TRUE"}, capture_output=True, text=True
    )
    assert re.search("OMP_WAIT_POLICY ?= ?'PASSIVE'", shown.stderr)  # PyTorch's OpenMP has read it


def test_setup_sets_the_figure_style():
    import matplotlib.pyplot as plt

    plt.rcParams["font.size"] = 33
    runtime.setup()
    assert plt.rcParams["font.size"] == 9
