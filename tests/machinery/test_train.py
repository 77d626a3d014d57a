"""Batches, their progress bar, the log, averaged weights, and going on after a kill."""

import copy
import hashlib
import io
import itertools
import math
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from aigc_course import optim, train
from aigc_course.plumbing import console
from aigc_course.plumbing.states import digest, fingerprint, outline

REPO = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """One line and one thread: the sums of several threads may differ in the last bit from those of one."""
    monkeypatch.setenv("AIGC_QUIET", "1")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def drawn(n, batch_size, n_steps, **options):
    return [batch.tolist() for batch in train.batches(torch.arange(n), batch_size, n_steps, **options)]


# Batches


def test_each_pass_is_a_new_permutation():
    steps = drawn(103, 10, 40)
    passes = [sum(steps[i : i + 10], []) for i in range(0, 40, 10)]
    for rows in passes:
        assert len(set(rows)) == 100  # 103 rows less the last incomplete batch
        assert set(rows) <= set(range(103))
    assert len({tuple(rows) for rows in passes}) == 4
    assert len(set(map(frozenset, passes))) > 1  # and it is not always the same three that are left out


def test_a_step_depends_on_seed_and_number_alone():
    steps = drawn(50, 7, 30, seed=1)
    torch.rand(3)  # somebody else draws
    assert drawn(50, 7, 12, seed=1) == steps[:12]
    assert drawn(50, 7, 30, seed=2) != steps
    passes = {tuple(map(tuple, drawn(50, 7, 21, seed=seed)[7 * p : 7 * p + 7])) for seed in range(20) for p in range(3)}
    assert len(passes) == 60  # no pass of one seed is a pass of another


def test_a_batch_can_be_the_whole():
    assert [sorted(batch) for batch in drawn(6, 6, 2)] == [list(range(6))] * 2


def test_drawing_leaves_the_global_random_numbers_alone():
    before = torch.get_rng_state()
    drawn(50, 7, 30)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_tuple_stays_aligned():
    images = torch.arange(20, dtype=torch.uint8)[:, None, None].expand(20, 2, 3)
    for x, y, z in train.batches((images, torch.arange(20), torch.arange(20.0) / 2), 8, 5):
        assert x.shape == (8, 2, 3) and x.dtype == torch.uint8
        assert torch.equal(x[:, 1, 2].long(), y) and torch.equal(z * 2, y.float())


def test_a_batch_is_a_copy():
    x = torch.zeros(10, 2)
    for batch in train.batches(x, 5, 2):
        batch += 1
    assert not x.any()


@pytest.mark.parametrize(
    ("x", "batch_size", "n_steps", "error", "said"),
    [
        (torch.zeros(10, 2), 11, 1, ValueError, "batch_size is 11; with 10 rows it must be from 1 to 10"),
        (torch.zeros(10, 2), 0, 1, ValueError, "batch_size is 0"),
        (torch.zeros(10, 2), 5, -1, ValueError, "n_steps is -1"),
        ((torch.zeros(10), torch.zeros(9)), 5, 1, ValueError, "equally many rows.*10 on cpu, 9 on cpu"),
        ((torch.zeros(9), torch.zeros(9, device="meta")), 5, 1, ValueError, "one device.*9 on cpu, 9 on meta"),
        ([torch.zeros(9)], 5, 1, TypeError, r"takes a tensor or a tuple of tensors, not \['list'\]"),
        ((torch.zeros(9), "mnist"), 5, 1, TypeError, "'Tensor', 'str'"),
        ((), 5, 1, TypeError, "takes a tensor"),
    ],
)
def test_bad_input_is_named_at_once(x, batch_size, n_steps, error, said):
    with pytest.raises(error, match=said):
        train.batches(x, batch_size, n_steps)


# Progress


def test_quiet_leaves_one_line(capsys):
    drawn(10, 5, 2000)
    assert re.fullmatch(r"2,000 steps in \d+\.\d s\n", capsys.readouterr().out)
    drawn(10, 5, 3, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_file_gets_one_line_too(capsys, monkeypatch):
    monkeypatch.delenv("AIGC_QUIET")  # captured, so this is no terminal
    drawn(10, 5, 0)
    assert capsys.readouterr() == ("0 steps in 0.0 s\n", "")


def test_leaving_early_is_told(capsys):
    for step, _ in enumerate(train.batches(torch.zeros(10), 5, 2000), start=1):
        if step == 512:
            break
    assert re.fullmatch(r"stopped at step 512 of 2,000 after \d\.\d s\n", capsys.readouterr().out)
    for error in (KeyboardInterrupt, RuntimeError):
        with pytest.raises(error):
            for _ in train.batches(torch.zeros(10), 5, 20):
                raise error
        assert capsys.readouterr().out.startswith("stopped at step 1 of 20")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119, "119 s"), (150, "2.5 min")]
)
def test_durations(seconds, text):
    assert console._seconds(seconds) == text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal")
def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    import pty
    import termios

    monkeypatch.delenv("AIGC_QUIET")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        for _ in train.batches(torch.zeros(10), 5, 8):
            time.sleep(0.08)
        seen = b""
        while select.select([ours], [], [], 0.3)[0]:
            seen += os.read(ours, 4096)
    os.close(ours)
    seen = seen.decode()
    assert " 0/8 " in seen and "%|" in seen and re.search(r" [1-8]/8 ", seen)
    assert seen.split("\r")[-2].strip() == ""  # the bar is wiped
    assert re.fullmatch(r"8 steps in \d\.\d s\n", capsys.readouterr().out)


def test_in_a_notebook_one_line_is_stored(monkeypatch):
    import nbclient
    import nbformat

    monkeypatch.delenv("AIGC_QUIET")
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    cells = [
        "import time, torch\nfrom aigc_course import train\nx = torch.zeros(10)",
        "for _ in train.batches(x, 5, 1200):\n    time.sleep(0.001)",
        "for step, _ in enumerate(train.batches(x, 5, 1000)):\n    if step == 6: break",
        "for _ in train.batches(x, 5, 1000):\n    raise KeyboardInterrupt",
    ]
    seen = []

    class Listener(nbclient.NotebookClient):
        def process_message(self, msg, cell, cell_index):
            seen.append((cell_index, msg["msg_type"], msg["content"]))
            return super().process_message(msg, cell, cell_index)

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = Listener(notebook, kernel_name="python3", timeout=120, allow_errors=True)
    start = time.perf_counter()
    client.execute()
    took = time.perf_counter() - start
    assert "widgets" not in notebook.metadata
    assert notebook.cells[0].outputs == []
    for cell, said in zip(
        notebook.cells[1:], ("1,200 steps in", "stopped at step 7", "stopped at step 1 "), strict=True
    ):
        assert [output.output_type for output in cell.outputs][:1] == ["display_data"]
        assert list(cell.outputs[0].data) == ["text/plain"]
        assert cell.outputs[0].data["text/plain"].startswith(said)
    assert [len(cell.outputs) for cell in notebook.cells] == [0, 1, 1, 2]  # the last has its error too
    updates = [content["data"] for i, kind, content in seen if i == 1 and kind == "update_display_data"]
    assert 4 <= len(updates) <= 4 * took + 2
    assert re.search(r'<progress value="\d+" max="1200".*step [\d,]+ of 1,200, \d.* left$', updates[1]["text/html"])


# The log


def test_the_log_never_waits_for_the_device(monkeypatch):
    weight = torch.ones((), requires_grad=True)
    log = train.Log()
    with monkeypatch.context() as patch:
        for name in ("item", "tolist", "numpy", "cpu", "to", "__float__", "__int__", "__bool__", "__array__"):
            patch.setattr(torch.Tensor, name, lambda *args, name=name, **kw: pytest.fail(f"{name} waits"))
        log(loss=weight * 3, kl=torch.ones((), device="meta"))  # a meta tensor has no value that could be read
        log(loss=weight * 4)
    assert all(not value.requires_grad for value in log._values["loss"])  # nor does it keep the graph
    assert log["loss"].tolist() == [3, 4]


def test_the_log_keeps_the_value_of_its_time():
    total, log = torch.zeros(()), train.Log()
    for _ in range(3):
        total += 1
        log(total=total)
    assert log["total"].tolist() == [1, 2, 3]


def test_reading_the_log():
    log = train.Log()
    for i in range(5):
        log(loss=torch.tensor([i], dtype=torch.bfloat16), lr=i / 10)
    log(loss=9, accuracy=torch.tensor(7))
    assert log.names == ["loss", "lr", "accuracy"]
    assert isinstance(log["loss"], np.ndarray) and log["loss"].shape == (6,) and log["loss"].dtype == np.float64
    assert log["loss"].tolist() == [0, 1, 2, 3, 4, 9]
    assert log.mean("loss", last=2) == 6.5
    assert log.mean("loss") == pytest.approx(19 / 6)
    assert log.mean("lr", last=100) == pytest.approx(0.2)
    with pytest.raises(KeyError, match="nothing is logged as 'kl'; the log has loss, lr, accuracy"):
        log["kl"]
    with pytest.raises(ValueError, match=r"loss has shape \(3,\)"):
        log(loss=torch.zeros(3))
    copy = train.Log()
    copy.load_state_dict(log.state_dict())
    copy(loss=torch.tensor(1.0))
    assert copy["loss"].tolist() == [0, 1, 2, 3, 4, 9, 1]


# Averaged weights


def test_ema_by_hand():
    model = nn.Linear(1, 1, bias=False)
    ema = train.EMA(model, decay=0.9)
    for weight in (1.0, 2.0, 4.0):
        nn.init.constant_(model.weight, weight)
        ema.update()
    assert ema.model.weight.item() == pytest.approx(0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 4)
    assert model.weight.item() == 4 and model.training
    assert not ema.model.training and not ema.model.weight.requires_grad


def test_ema_copies_buffers():
    model = nn.BatchNorm1d(2)
    ema = train.EMA(model)
    for _ in range(3):
        model(torch.randn(8, 2))
        ema.update()
    assert torch.equal(ema.model.running_mean, model.running_mean)
    assert ema.model.num_batches_tracked == 3


def test_a_running_average_by_hand():
    model = nn.Linear(1, 1, bias=False)
    average = optim.Average(model, decay=0.15)
    for weight in (1.0, 2.0, 4.0):  # 2 / 11 is above the decay, 1 / 10 is not
        nn.init.constant_(model.weight, weight)
        average.update()
    assert average.model.weight.item() == pytest.approx(0.15 * (0.1 * 1 + 0.9 * 2) + 0.85 * 4)
    assert model.weight.item() == 4 and model.training
    assert not average.model.training and not average.model.weight.requires_grad


def test_early_averages_forget_the_untrained_weights_and_late_ones_have_the_decay():
    model = nn.Linear(1, 1, bias=False)
    average = optim.Average(model, decay=0.995)
    nn.init.constant_(model.weight, 1.0)
    average.update()
    nn.init.zeros_(model.weight)
    for _ in range(100):
        average.update()
    assert average.model.weight.item() < 1e-6  # the decay alone would have left 0.6 of them
    average.n = 10**6
    nn.init.constant_(model.weight, 1.0)
    average.update()
    assert average.model.weight.item() == pytest.approx(0.005, rel=1e-3)


def test_an_average_averages_running_statistics_and_copies_counts():
    model = nn.BatchNorm1d(2)
    average, means = optim.Average(model), []
    for step in range(3):
        model(torch.randn(8, 2) + step)
        means.append(model.running_mean.clone())
        average.update()
    torch.testing.assert_close(
        average.model.running_mean, 2 / 11 * (0.1 * means[0] + 0.9 * means[1]) + 9 / 11 * means[2]
    )
    assert average.model.num_batches_tracked == 3


# Going on after a kill


class Job:
    """A small training run with everything that has a state, and noise from the global random numbers."""

    def __init__(self, path, *, width=16, lr=1e-2, decay=0.9, n_steps=60, device="cpu", **settings):
        torch.manual_seed(0)
        self.n_steps, self.device = n_steps, device
        self.model = nn.Sequential(nn.Linear(12, width), nn.GELU(), nn.Dropout(0.3), nn.Linear(width, 12))
        if settings.pop("deeper", False):
            self.model.append(nn.Linear(12, 12))
        self.model.to(device)
        self.optimizer = settings.pop("optimizer", torch.optim.AdamW)(self.model.parameters(), lr=lr)
        self.scheduler = OneCycleLR(self.optimizer, max_lr=lr, total_steps=n_steps)
        if settings.pop("stairs", False):
            self.scheduler = StepLR(self.optimizer, step_size=30)
        self.ema, self.average, self.log = train.EMA(self.model, decay), optim.Average(self.model), train.Log()
        names = ("model", "optimizer", "scheduler", "ema", "average", "log")
        self.objects = {name: getattr(self, name) for name in names}
        self.resume = train.Resume(path, every=10, **self.objects, **settings) if path else None

    def steps(self, batch_size=16, seed=0, n_rows=100):
        x = torch.linspace(-1, 1, n_rows * 12).sin().view(n_rows, 12).to(self.device)
        for batch in train.batches(x, batch_size, self.n_steps, seed=seed, resume=self.resume):
            loss = (self.model(batch + 0.1 * torch.randn_like(batch)) - batch).pow(2).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            self.ema.update()
            self.average.update()
            self.log(loss=loss)
            yield len(self.log["loss"])

    def train(self, stop_after=None, **options):
        for step in self.steps(**options):
            if step == stop_after:
                break
        return self

    def weights(self):
        parts = [*self.model.parameters(), *self.ema.model.parameters(), torch.from_numpy(self.log["loss"])]
        return torch.cat([part.detach().cpu().double().flatten() for part in parts])


def opened(path):
    """What a checkpoint holds, below its digest."""
    return torch.load(io.BytesIO(path.read_bytes()[32:]), weights_only=True)


def forge(path, content):
    """Write a checkpoint with the right digest of whatever content."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())


def killed(path, how):
    """Train until this process is killed: in step 37, or in the third save, when it has written the temporary file."""

    def kill(*args):
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    if how == "saving":
        replace, saves = os.replace, iter((1, 2))
        os.replace = lambda *args: replace(*args) if next(saves, None) else kill()
    for step in Job(path).steps():
        if step == 37 and how == "step":
            kill()


def test_killed_and_resumed_equals_never_killed_to_the_bit(tmp_path, capsys):
    never_killed = Job(None).train().weights()
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(REPO), str(Path(__file__).parent)))}
    code = "import sys, test_train, torch; torch.set_num_threads(1); test_train.killed(*sys.argv[1:])"
    paths = {how: tmp_path / how / "checkpoint.pt" for how in ("step", "saving")}
    jobs = [subprocess.Popen([sys.executable, "-c", code, path, how], env=env) for how, path in paths.items()]
    assert all(job.wait(timeout=120) not in (0, 1) for job in jobs)  # killed, neither finished nor failed
    for (how, path), at in zip(paths.items(), (30, 20), strict=True):
        assert path.exists() and len(list(path.parent.iterdir())) == (2 if how == "saving" else 1)
        capsys.readouterr()
        assert torch.equal(Job(path).train().weights(), never_killed)
        assert re.fullmatch(rf"{60 - at} steps in .* \(resumed after step {at}\)\n", capsys.readouterr().out)
        assert not path.exists()  # nothing is left to resume


def test_the_noise_differs_where_the_random_numbers_are_not_restored(tmp_path):
    job = Job(tmp_path / "c").train(stop_after=37)
    state = opened(tmp_path / "c")
    state["states"]["random"]["cpu"] = torch.get_rng_state()  # so that the test above could fail
    forge(tmp_path / "c", state)
    assert not torch.equal(Job(tmp_path / "c").train().weights(), Job(None).train().weights())
    assert job.resume.path.exists() is False


@pytest.mark.parametrize("fresh", ["nothing", "resume", "everything"])
def test_a_stopped_cell_can_be_run_again(fresh, tmp_path):
    job = Job(tmp_path / "c").train(stop_after=37)
    if fresh == "resume":
        job.resume = train.Resume(tmp_path / "c", every=10, **job.objects)
    elif fresh == "everything":
        job = Job(tmp_path / "c")
    job.train(stop_after=55)
    job.train()
    assert torch.equal(job.weights(), Job(None).train().weights())


def test_a_stopped_cell_run_again_does_not_take_its_state_for_settings(tmp_path):
    job = Job(tmp_path / "c", stairs=True).train(stop_after=37)  # the learning rate has come down a stair
    job.resume = train.Resume(tmp_path / "c", every=10, **job.objects)
    job.train(stop_after=55)
    assert torch.equal(Job(tmp_path / "c", stairs=True).train().weights(), Job(None, stairs=True).train().weights())


@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        ({"n_steps": 70}, {}, "n_steps was 60, now 70"),
        ({}, {"batch_size": 8}, "batch_size was 16, now 8"),
        ({}, {"seed": 1}, "seed was 0, now 1"),
        ({}, {"n_rows": 99}, r"data was \(100, 12\) torch.float32, now \(99, 12\)"),
        ({"width": 8}, {}, r"model.0.weight was \(16, 12\) torch.float32, now \(8, 12\) torch.float32.* and \d+ more"),
        ({"deeper": True}, {}, "model.4.weight is new"),
        ({"lr": 2e-2}, {}, "optimizer.param_groups.0.max_lr was 0.01, now 0.02"),
        ({"optimizer": torch.optim.Adam}, {}, "optimizer was AdamW, now Adam"),
        ({"decay": 0.8}, {}, "ema.decay was 0.9, now 0.8"),
        ({"beta": 4}, {}, "beta was 1, now 4"),
        ({"beta": None}, {}, "beta was 1, now None"),
        ({"beta": 1, "gamma": 2}, {}, "gamma is new"),
    ],
)
def test_other_settings_are_refused_and_named(settings, options, said, tmp_path):
    Job(tmp_path / "c", beta=1).train(stop_after=37)
    job = Job(tmp_path / "c", **{"beta": 1} | settings)
    before, noise = job.model[0].weight.clone(), torch.get_rng_state()
    with pytest.raises(ValueError, match=said) as error:
        job.train(**options)
    assert "is the checkpoint of another run" in str(error.value) and "delete it" in str(error.value)
    assert torch.equal(job.model[0].weight, before) and torch.equal(torch.get_rng_state(), noise)
    Job(tmp_path / "c", beta=1).train()  # and the old settings still go on


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2000])


def flip(path):
    """One bit, in the middle of the tensors: still a checkpoint to PyTorch, with another weight in it."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def blank(path):
    """What a disk gives back after a power cut: 512 zeros."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 512] = bytes(512)
    path.write_bytes(content)


def poison(path):
    forge(path, opened(path) | {"step": Payload(path.with_name("executed"))})


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip,
        blank,
        poison,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a checkpoint"),
        lambda path: torch.save({"weights": torch.ones(3)}, path),
        lambda path: forge(path, {"weights": torch.ones(3)}),
        lambda path: forge(path, [1, 2]),
    ],
    ids=["truncated", "altered", "blanked", "malicious", "empty", "text", "foreign", "forged", "list"],
)
def test_a_damaged_checkpoint_is_refused_in_one_sentence(damage, tmp_path):
    Job(tmp_path / "c").train(stop_after=37)
    damage(tmp_path / "c")
    with pytest.raises(ValueError, match="c is damaged, or is not a checkpoint of this course; delete it to train"):
        Job(tmp_path / "c").train()
    assert not (tmp_path / "executed").exists()


def without(*path):
    def change(saved):
        for key in path[:-1]:
            saved = saved[key]
        del saved[path[-1]]

    return change


def instead(value, *path):
    def change(saved):
        for key in path[:-1]:
            saved = saved[key]
        saved[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(without(key) for key in ("step", "settings", "states")),
        *(without("states", key) for key in ("model", "optimizer", "scheduler", "ema", "log", "random")),
        without("states", "model", "3.bias"),
        without("states", "scheduler", "last_epoch"),
        without("states", "optimizer", "param_groups"),
        without("states", "random", "cpu"),
        *(instead(step, "step") for step in (0, -1, 60, 10**9, "30", None, 30.5, 30.0, True)),
        instead({}, "states"),
        instead(torch.ones(3), "states", "model", "3.bias"),
        instead(torch.ones(3), "states", "random", "cpu"),
        instead("AdamW", "states", "optimizer"),
        instead({"loss": 3}, "states", "log"),
    ],
)
def test_a_forged_checkpoint_changes_nothing(change, tmp_path):
    """The model was changed already when a field turned out to be missing."""
    Job(tmp_path / "c").train(stop_after=37)
    saved = opened(tmp_path / "c")
    change(saved)
    forge(tmp_path / "c", saved)
    job, noise = Job(tmp_path / "c"), torch.get_rng_state()
    before = copy.deepcopy(outline(job.objects)), copy.deepcopy(job.model.state_dict())
    with pytest.raises(ValueError, match="c is (damaged|the checkpoint of another run)"):
        job.train()
    assert outline(job.objects) == before[0] and torch.equal(torch.get_rng_state(), noise)
    assert all(torch.equal(weight, before[1][name]) for name, weight in job.model.state_dict().items())
    (tmp_path / "c").unlink()
    assert torch.equal(job.train().weights(), Job(None).train().weights())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs a privilege for links")
def test_a_link_planted_beside_a_checkpoint_is_not_followed(tmp_path):
    """The temporary file had a name that anyone could foretell."""
    (tmp_path / "others").write_text("precious")
    for name in ("c.tmp", ".c.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "others")
    Job(tmp_path / "c").train(stop_after=37)
    assert (tmp_path / "others").read_text() == "precious"


def test_a_full_disk_does_not_stop_training(tmp_path, monkeypatch, capsys):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    weights = Job(tmp_path / "c").train().weights()
    said = "the checkpoint cannot be saved ([Errno 28] No space left on device); training goes on"
    assert capsys.readouterr().out.count(said) == 1  # and not five times
    assert torch.equal(weights, Job(None).train().weights())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_became_read_only_does_not_take_the_trained_model_away(tmp_path, monkeypatch, capsys):
    Job(tmp_path / "c").train(stop_after=37)

    def refuse(*args, **options):
        raise OSError(30, "Read-only file system")

    for place, name in ((os, "replace"), (Path, "unlink")):
        monkeypatch.setattr(place, name, refuse)
    weights = Job(tmp_path / "c").train().weights()
    assert torch.equal(weights, Job(None).train().weights())
    assert capsys.readouterr().out.count("Read-only file system") == 1


def one_number(x):
    """In a row that is none of those of which a digest is taken."""
    return x.index_put((torch.tensor(4321), torch.tensor(500)), torch.tensor(251).to(x.dtype))


@pytest.mark.parametrize("change", [one_number, lambda x: x.flip(1), lambda x: x.roll(1, dims=0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.bfloat16])
def test_other_data_of_the_same_shape_are_refused(change, dtype, tmp_path):
    """A run went on with them unnoticed: only shape and type were compared."""
    x, y = (torch.arange(6000 * 784).view(6000, 784) % 251).to(dtype), torch.arange(6000) % 10

    def start(*data):
        steps = train.batches(data, 16, 60, resume=train.Resume(tmp_path / "c", every=10))
        return len(list(itertools.islice(steps, 37)))

    assert start(x, y) == 37
    for data in ((change(x), y), (x, y.flip(0))):
        with pytest.raises(ValueError, match="c is the checkpoint of another run: the data's content was "):
            start(*data)
    assert start(x.clone(), y.clone()) == 30  # what is left, with the same data at another place


def test_every_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="every is 0"):
        train.Resume(tmp_path / "c", every=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_run_goes_on_with_the_same_noise(tmp_path):
    Job(tmp_path / "c", device="cuda").train(stop_after=37)
    resumed = Job(tmp_path / "c", device="cuda").train()
    torch.testing.assert_close(resumed.weights(), Job(None, device="cuda").train().weights(), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_no_step_waits():
    log, steps = train.Log(), train.batches(torch.zeros(60_000, 4, device="cuda"), 256, 100)
    next(steps)  # the permutation of the first pass
    torch.cuda.set_sync_debug_mode("error")
    try:
        for x in steps:
            log(loss=x.sum())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(log["loss"]) == 99


# Weights on disk


def test_saved_weights_come_back(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model(torch.randn(8, 3))
    train.save(model, tmp_path / "new folder" / "m.safetensors")
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    train.load(other, tmp_path / "new folder" / "m.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_tied_weights_come_back_tied(tmp_path):
    def tied():
        model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
        model[1].weight = model[0].weight
        return model

    model, other = tied(), tied()
    train.save(model, tmp_path / "m")
    train.load(other, tmp_path / "m")
    assert torch.equal(other[0].weight, model[0].weight) and other[0].weight is other[1].weight


def test_weights_of_another_model_or_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "m"
    train.save(nn.Linear(3, 4), path)
    for other in (nn.Linear(3, 5), nn.Sequential(nn.Linear(3, 4))):
        with pytest.raises(ValueError, match=f"m does not hold the weights of this {type(other).__name__}"):
            train.load(other, path)
    buffer = io.BytesIO()
    torch.save({"weight": Payload(tmp_path / "executed")}, buffer)
    for content in (path.read_bytes()[:-5], b"", buffer.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="m does not hold the weights of this Linear"):
            train.load(nn.Linear(3, 4), path)
    assert not (tmp_path / "executed").exists()
    with pytest.raises(FileNotFoundError):
        train.load(nn.Linear(3, 4), tmp_path / "absent")


@pytest.mark.parametrize("damage", [flip, blank])
def test_weights_that_were_altered_on_the_disk_are_refused_and_change_nothing(damage, tmp_path):
    """Such a file is sound to safetensors: it was loaded with another weight, or with 128 zeros."""
    path, other = tmp_path / "m", nn.Linear(64, 64)
    train.save(nn.Linear(64, 64), path)
    damage(path)
    assert len(load_file(path)) == 2
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match="m does not hold the weights of this Linear: its digest is another"):
        train.load(other, path)
    assert all(torch.equal(weight, before[name]) for name, weight in other.state_dict().items())


POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders, and no holes in files")


@pytest.mark.parametrize(
    "kind", [pytest.param("a pipe", marks=POSIX), "a folder", pytest.param("a hole", marks=POSIX), "half of it fits"]
)
def test_what_holds_no_weights_of_the_model_is_refused_at_once_and_changes_nothing(kind, tmp_path):
    """It waited for a pipe, gave raw errors for the next two, and half of the last file was in the model."""
    path, model = tmp_path / "m", nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a hole":
        with open(path, "wb") as file:
            file.truncate(10**12)
    else:
        save_file(nn.Sequential(nn.Linear(3, 4)).state_dict(), path)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="m (is a folder, a pipe or a device|does not hold the weights)"):
        train.load(model, path)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_weights_without_a_digest_need_only_fit(tmp_path):
    model, other = nn.Linear(3, 4), nn.Linear(3, 4)
    save_file(model.state_dict(), tmp_path / "from elsewhere")
    train.load(other, tmp_path / "from elsewhere")
    assert torch.equal(other.weight, model.weight)
    with pytest.raises(ValueError, match="does not hold the weights of this Linear"):
        train.load(nn.Linear(3, 5), tmp_path / "from elsewhere")


def test_saved_weights_come_back_in_another_precision(tmp_path):
    model, half = nn.Linear(3, 4), nn.Linear(3, 4, dtype=torch.bfloat16)
    train.save(model, tmp_path / "m")
    train.load(half, tmp_path / "m")
    assert torch.equal(half.weight, model.weight.bfloat16())


KINDS = [torch.float32, torch.float64, torch.bfloat16, torch.uint8, torch.int64, torch.bool, torch.complex64]


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_digests_are_of_the_content_and_not_of_its_layout(dtype):
    x = torch.arange(24).view(4, 6).to(dtype)
    layouts = [x, x.clone(), x.T.contiguous().T, torch.cat([x, x], dim=1)[:, :6]]
    assert len({digest({"x": layout}) for layout in layouts}) == len({fingerprint(layout) for layout in layouts}) == 1
    others = [x, x.flip(0), x.view(6, 4), x[:3], x.view(torch.uint8)]
    others = others[: 4 if dtype == torch.uint8 else 5]
    assert len({digest({"x": other}) for other in others}) == len({fingerprint(other) for other in others})
    assert len({fingerprint(other) for other in others}) == len(others)
    assert digest({"x": x[0], "y": x[1]}) != digest({"y": x[0], "x": x[1]}) and digest({"x": x[0, 0]})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_on_a_gpu_digests_are_those_of_the_cpu(dtype):
    x = (torch.rand(60_000, 784) * 255).to(dtype)
    assert fingerprint(x.cuda()) == fingerprint(x) and digest({"x": x[:9].cuda()}) == digest({"x": x[:9]})


# The same model twice


class Two(nn.Module):
    """A model whose `encode` returns two tensors; `scale` is no parameter, so that two of them can differ."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.layer, self.scale = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)), scale

    def encode(self, x):
        return self.layer(x), self.scale * torch.randn_like(x)

    def forward(self, x):
        return self.scale * self.layer(x)


def test_same_copies_the_state_and_says_what_agrees(capsys):
    ours, theirs, x = Two(), Two(), torch.randn(4, 3)
    assert not torch.equal(ours.layer[0].weight, theirs.layer[0].weight)
    train.same(ours, theirs, x)
    train.same(ours, theirs, x, method="encode")
    assert capsys.readouterr().out.splitlines() == [
        "the package's Two is the same: largest difference 0",
        "the package's Two.encode is the same: largest difference 0",
    ]
    assert ours.training and theirs.training and torch.equal(ours.layer[0].weight, theirs.layer[0].weight)


def test_same_leaves_the_random_numbers_as_they_were():
    ours, theirs = Two(), Two()
    torch.manual_seed(1)
    train.same(ours, theirs, torch.ones(4, 3), method="encode")
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)


@pytest.mark.parametrize(("scale", "said"), [(2.0, r"largest difference [\d.]+, more than 1e-05"), (math.nan, "nan")])
@pytest.mark.parametrize("method", ["forward", "encode"])
def test_same_names_the_largest_difference(scale, said, method):
    with pytest.raises(AssertionError, match=said):
        train.same(Two(), Two(scale), torch.randn(4, 3), method=method)
    train.same(Two(), Two(1.001), torch.randn(4, 3), atol=0.1, method=method)


def test_same_wants_the_same_parts_and_shapes():
    with pytest.raises(RuntimeError, match="state_dict"):
        train.same(nn.Linear(3, 2), nn.Linear(3, 4), torch.ones(1, 3))
    flat = nn.Linear(3, 2)
    flat.forward = lambda x: torch.zeros(7)
    with pytest.raises(AssertionError, match=r"returns the shapes \[\(7,\)\], ours \[\(1, 2\)\]"):
        train.same(nn.Linear(3, 2), flat, torch.ones(1, 3))
