"""The benchmarks: what is raced, the ratios that come of it, and that receipts say what was timed."""

import ast
import importlib.util
import json
import math
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch

from aigc_course import gan, receipts
from aigc_course.plumbing import machine

REPO = Path(__file__).resolve().parents[2]
NAMES = ("vae", "gan", "gpt", "diffusion")
PLAIN = {"gan": ("05_dcgan", "plain_generator", "plain_discriminator"), "vae": ("03_vae", "PlainVAE")}


def load(name, monkeypatch):
    """benchmarks/name.py as a module, with its neighbour side_by_side."""
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", REPO / f"benchmarks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shared(monkeypatch, tmp_path):
    """side_by_side, with the stored receipts in a folder of their own."""
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    import side_by_side

    for path in (REPO / "benchmarks").glob("*.json"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(side_by_side, "FOLDER", tmp_path)
    monkeypatch.setenv("AIGC_STANDIN", "1")
    monkeypatch.setenv("AIGC_QUIET", "1")
    return side_by_side


def printed(page, *names):
    """Definitions of a page's cells `autoencoder-model` and `plain-model`, by name."""
    found = {"nn": torch.nn, "torch": torch, "gan": gan}
    for cell in receipts.read(REPO / f"notebooks/{page}.ipynb")["cells"]:
        if cell["id"] in ("autoencoder-model", "plain-model"):
            tree = ast.parse("".join(cell["source"]))
            kept = [node for node in tree.body if getattr(node, "name", "") in (*names, "Autoencoder")]
            exec(ast.unparse(ast.Module(kept, [])), found)
    return [found[name] for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_ends_with_four_ratios_a_precision(shared, monkeypatch, name):
    monkeypatch.setattr(machine, "fast_bf16", lambda: name == "vae")  # slow where it is emulated
    before = {path.name: path.read_bytes() for path in shared.FOLDER.iterdir()}
    module = load(name, monkeypatch)
    bench = module.Benchmark()
    bench.rates = bench.rates[:1]

    def load_little(held_out, whole=bench.load):
        whole(held_out)
        if name == "gpt":
            bench.val = bench.val[:1000]
        if name == "gan":
            bench.n, bench.real = 60, bench.real[:60]
        if name == "diffusion":
            monkeypatch.setattr(module, "FEATURES", 8)
            monkeypatch.setattr(module, "BATCH", 8)
            bench.n, bench.real = 60, bench.real[:60]

    bench.load = load_little
    result = shared.main(bench, ["--trial", "2", "--repeats", "1", "--threads", "1"])
    assert list(result["ratios"]) == (["bf16", "fp32"] if name == "vae" else ["fp32"])
    for ratios in result["ratios"].values():
        assert list(ratios) == ["page/published", "page/tuned", "short/published", "short/tuned"]
    assert result["decomposition"][0] == {"name": shared.PUBLISHED, "time_ratio": 1.0}
    assert all(step["name"][0] == "+" for step in result["decomposition"][1:])
    assert {row["name"] for run in result["runs"] for row in run["rows"]} >= {"page fp32", "short fp32", shared.TUNED}
    assert f"chapter {bench.chapter}'s own recipe" in result["readme"][0] and "not the page's" in result["readme"][0]
    json.dumps(result, allow_nan=False)
    assert {path.name: path.read_bytes() for path in shared.FOLDER.iterdir()} == before  # a trial stores nothing


def test_the_settings_of_the_page_and_of_the_short_recipe_are_those_of_recipes(shared, monkeypatch):
    monkeypatch.setattr(machine, "fast_bf16", lambda: False)
    for name in NAMES:
        bench = load(name, monkeypatch).Benchmark()
        raced = {one.name: one for one in shared.contestants(bench, shared.Plain(1e-3), False, 10**9)}
        for ours in ("page", "short"):
            assert raced[f"{ours} fp32"].n_steps == getattr(bench.recipe, ours.upper()).n_steps


@pytest.mark.parametrize("name", PLAIN)
def test_the_plain_model_is_the_one_that_the_page_prints(shared, monkeypatch, name):
    page, *names = PLAIN[name]
    module = load(name, monkeypatch)
    x = torch.rand(4, 1, 32, 32)
    for theirs, ours in zip(printed(page, *names), (getattr(module, name) for name in names), strict=True):
        theirs, ours = theirs(), ours()
        shapes = [{key: value.shape for key, value in model.state_dict().items()} for model in (theirs, ours)]
        assert shapes[0] == shapes[1]
        ours.load_state_dict(theirs.state_dict())
        outputs = []
        for model in (theirs, ours):
            torch.manual_seed(0)  # of dropout
            if name == "vae":
                mu, log_var = model.encode(x[..., :28, :28])
                outputs.append(torch.cat([mu, log_var, model.decode(mu).flatten(1)], dim=1))
            else:
                outputs.append(model(torch.randn(4, 100) if isinstance(model[0], torch.nn.Linear) else x))
        assert torch.equal(*outputs)


@pytest.mark.parametrize("name", [name for name in NAMES if (REPO / f"benchmarks/{name}.json").is_file()])
def test_words_change_nothing_but_the_readme_lines(shared, monkeypatch, name):
    path = shared.FOLDER / f"{name}.json"
    stored = receipts.read(path)
    path.write_text(json.dumps(stored | {"readme": ["chapter 99 is the fastest"]}), encoding="utf-8")
    shared.main(load(name, monkeypatch).Benchmark(), ["--words"])
    written = receipts.read(path)
    assert written == stored and list(written) == list(stored)  # what is stored is what the words say


def test_a_stand_in_is_refused_and_a_trial_is_not_saved(shared, monkeypatch, capsys):
    bench = load("vae", monkeypatch).Benchmark()
    with pytest.raises(SystemExit, match="genuine data"):
        shared.main(bench, ["--tune"])
    with pytest.raises(SystemExit):
        shared.main(bench, ["--trial", "2", "--save"])
    assert "a trial is not saved" in capsys.readouterr().err


def test_tuning_stores_its_search_and_the_next_race_takes_its_choice(shared, monkeypatch):
    bench = load("vae", monkeypatch).Benchmark()
    bench.load = lambda held_out: None
    figures = {(1e-3, False): 3.0, (1e-3, True): math.nan, (2e-3, False): 2.0, (2e-3, True): 2.5}
    figures |= {(4e-3, False): 2.2, (4e-3, True): 2.1}  # tried only as 2e-3 is the highest given and the best
    bench.rates, bench.plain_steps = (1e-3, 2e-3), 3
    bench.plain = lambda plain, n, fast=False: lambda seed: (iter(range(n)), lambda: figures[plain.lr, plain.to_zero])
    before = receipts.read(shared.FOLDER / "vae.json")
    before.pop("tuning", None)
    shared.main(bench, ["--tune"])
    after = receipts.read(shared.FOLDER / "vae.json")
    tuning = after.pop("tuning")
    assert after == before and tuning["chosen"] == {"lr": 2e-3, "to_zero": False}
    assert [row["held_out"] for row in tuning["tried"]] == [3.0, None, 2.0, 2.5, 2.2, 2.1]
    assert tuning["as"] == "fp32"


def test_what_is_held_out_is_drawn_at_random_and_not_trained_on(shared):
    images = torch.arange(60.0).view(60, 1, 1, 1)
    trained, judged = shared.split(images, held_out=True)
    assert judged.flatten().tolist() == torch.randperm(60, generator=torch.Generator().manual_seed(0))[:12].tolist()
    assert torch.equal(torch.cat([trained, judged]).flatten().sort().values, images.flatten())


def test_the_plain_gan_is_timed_in_fp32_whatever_it_is_tuned_in(shared, monkeypatch):
    module, made = load("gan", monkeypatch), []

    def fit(generator, discriminator, batches, plain, n_steps, bf16):
        made.append((generator[4].weight.is_contiguous(memory_format=torch.channels_last), bf16))

    monkeypatch.setattr(module, "fit", fit)
    bench = module.Benchmark()
    bench.images, bench.images_32 = torch.rand(64, 1, 28, 28), torch.rand(64, 1, 32, 32)
    bench.tried_as = "bf16, channels last"
    for start in (bench.tried(bench.published, 1), *(bench.plain(bench.published, 1, fast=fast) for fast in (0, 1))):
        start(0)
    assert made == [(True, True), (False, False), (False, False)]


@pytest.fixture
def plain_diffusion(shared, monkeypatch):
    return load("diffusion", monkeypatch)


def test_the_plain_diffusion_model_is_trained_on_its_noise(plain_diffusion, monkeypatch):
    """A model that inverts x = sqrt(kept) x_0 + sqrt(1 - kept) noise for known images has no loss to descend."""
    module, seen = plain_diffusion, []
    images, labels = torch.rand(6, 1, 4, 4), torch.tensor([0, 1, 2, 9, 9, 9])

    class Knows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.wrong = torch.nn.Parameter(torch.tensor(0.0))

        def forward(self, x, time, label):
            kept = module.ALPHA_BAR[(time * module.LEVELS).round().long() - 1].view(-1, 1, 1, 1)
            seen.append((time, label))
            return (x - kept.sqrt() * images) / (1 - kept).sqrt() + self.wrong

    model, plain = Knows(), module.Plain(1e-6)
    for _ in module.fit(model, iter([(images, labels)] * 200), plain, 200, bf16=False):
        assert abs(model.wrong.grad.item()) < 1e-3
    times, given = torch.cat([time for time, _ in seen]), torch.stack([label for _, label in seen])
    assert 0 < times.min() <= 2 / module.LEVELS and times.max() == 1
    withheld = (given.sum(dim=2) == 0).double().mean().item()
    assert withheld == pytest.approx(module.WITHHELD, abs=0.04)
    assert set(given.argmax(dim=2)[given.sum(dim=2) > 0].tolist()) == {0, 1, 2, 9}


def test_the_plain_diffusion_model_is_sampled_as_diffusers_does(plain_diffusion):
    """DDIM for a model whose noise is known, against another library's levels and predictions."""
    diffusers = pytest.importorskip("diffusers")
    module, n = plain_diffusion, 10

    def model(x, time, label):
        return torch.tanh(x) * time.view(-1, 1, 1, 1) + label.argmax(dim=1).view(-1, 1, 1, 1) / 10

    net = torch.nn.Module()
    net.forward = model
    found = module.plain_sample(net, n, bf16=False, n_walk=20)
    scheduler = diffusers.DDIMScheduler(
        module.LEVELS, trained_betas=module.BETA.numpy(), clip_sample=False, set_alpha_to_one=True
    )
    x = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    label = torch.nn.functional.one_hot(torch.arange(n) % 10, 10).float()
    times = torch.linspace(module.LEVELS, 1, 20).round().long() - 1
    for now, after in zip(times, [*times[1:].tolist(), -1], strict=True):
        scheduler.num_inference_steps = 1  # so that the step ends where we say
        eps = model(x, torch.full((n,), (now + 1) / module.LEVELS), label)
        kept = scheduler.alphas_cumprod
        x_0 = scheduler.step(eps, int(now), x).pred_original_sample
        alpha = kept[after] if after >= 0 else torch.tensor(1.0)
        x = alpha.sqrt() * x_0 + (1 - alpha).sqrt() * eps
    torch.testing.assert_close(found, x.clamp(0, 1), rtol=0, atol=2e-4)


def test_a_race_stops_at_the_better_quality_and_its_order_changes_no_random_number(shared):
    drawn = {}

    def contestant(name, figures, n_steps, whole=0):
        def start(seed):
            values = iter(figures)

            def steps():
                for _ in range(n_steps):
                    drawn.setdefault(name, []).append(torch.rand(()).item())
                    yield

            return steps(), lambda: next(values)

        return shared.Contestant(name, start, n_steps, 1, whole)

    first = contestant("published", [5.0, 4.0, 3.0], 3), contestant("tuned", [3.0, 2.0], 2)
    ours = contestant("page", [9.0, 2.5, 1.9, 0.1, 0.0], 5), contestant("short", [2.9, 2.8], 2)
    run = shared.race([*first, *ours, contestant("timed", [], 2, whole=20)], seed=3)
    rows = {row["name"]: row for row in run["rows"]}
    assert run["targets"] == {"published": 3.0, "tuned": 2.0}
    assert rows["page"]["steps"] >= 3 and rows["page"]["ratios"]["tuned"] is not None
    assert rows["short"]["ratios"]["published"] is not None and rows["short"]["ratios"]["tuned"] is None
    assert list(rows["timed"]["ratios"]) == ["published"]
    assert rows["published"]["ratios"]["published"] == 1
    torch.manual_seed(3)
    expected = [torch.rand(()).item() for _ in range(5)]
    assert all(values == expected[: len(values)] for values in drawn.values())


def test_who_has_the_guessed_quality_waits_for_the_plain_recipes_and_goes_on_where_they_were_better(shared):
    def contestant(name, figures, seconds):
        def start(seed):
            values = iter(figures)
            return (time.sleep(seconds) for _ in figures), lambda: next(values)

        return shared.Contestant(name, start, len(figures), 1)

    def steps(guess):
        first = contestant("published", [5.0, 3.0], 0.02), contestant("tuned", [4.0, 1.0], 0.02)
        ours = contestant("good enough", [0.5] * 40, 0.001), contestant("not yet", [2.0] * 5 + [0.9] * 35, 0.001)
        return {row["name"]: row["steps"] for row in shared.race([*first, *ours], 0, guess)["rows"]}

    assert steps(2.0)["good enough"] == 1 and steps(2.0)["not yet"] == 6
    assert steps(-math.inf)["good enough"] > 6


def test_time_is_that_of_the_first_look_and_a_ratio_is_said_as_a_part(shared):
    one = shared.Contestant("x", None, 10, 1, points=[(1.0, 9.0, 1), (2.0, 3.0, 2), (3.0, 4.0, 3)])
    assert one.time_to(4.0) == 2.0 and one.time_to(2.0) == math.inf
    assert [shared.part(ratio) for ratio in (None, 0.05, 1.5)] == ["not reached", "1/20.0", "1.5"]
    assert shared.median([1.0, None, None], 2) is None


def test_a_look_far_from_what_is_to_be_beaten_is_of_fewer_images(shared, monkeypatch):
    bench, asked = load("gan", monkeypatch).Benchmark(), []
    monkeypatch.setattr(gan, "sample", lambda generator, n, seed: asked.append(n) or torch.zeros(n))
    monkeypatch.setattr(bench, "distance", lambda x: 90.0 if len(x) == 1000 else 70.0)
    bench.n, bench.near = 10_000, 85.0
    assert bench.look(torch.nn.Identity()) == 90.0 and asked == [1000]
    bench.near = 95.0
    assert bench.look(torch.nn.Identity()) == 70.0 and asked == [1000, 1000, 10_000]
