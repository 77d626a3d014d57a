"""A recipe is written once: what a page trains is what recipes/ has, to the number and step by step."""

import ast
import copy
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aigc_course import cyclegan, data, receipts, runtime, text
from aigc_course.plumbing import rooms

REPO = Path(__file__).resolve().parents[2]
PAGES = {"vae": "03_vae", "dcgan": "05_dcgan", "gpt": "11_gpt", "diffusion": "09_diffusion", "cyclegan": "08_cyclegan"}
PAGES["contrast"] = "02_representations"
PAGES["words"] = "02b_words"
pytestmark = pytest.mark.slow


def cells(page):
    return {cell["id"]: "".join(cell["source"]) for cell in receipts.read(REPO / f"notebooks/{page}.ipynb")["cells"]}


def names(page, *ids, **given):
    """What the cells of a page define: the imports of its setup cell, then the named cells, in smoke."""
    found, source = dict(given), cells(page)
    imports = [node for node in ast.walk(ast.parse(source["setup"])) if isinstance(node, ast.Import | ast.ImportFrom)]
    exec("\n".join(ast.unparse(node) for node in imports), found)
    for name in ("settings", *ids):
        exec(source[name], found)
    return found


def lesson(page, name):
    """The value of run.budget(...) that a page's settings give `name` in a lesson."""
    (call,) = re.findall(rf"(?m)^{name} = run\.budget\((.*)\)", cells(page)["settings"])
    return {k.arg: ast.literal_eval(k.value) for k in ast.parse(f"f({call})").body[0].value.keywords}["lesson"]


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    monkeypatch.setenv("AIGC_STANDIN", "1")
    monkeypatch.setenv("AIGC_QUIET", "1")


def test_the_steps_of_a_lesson_are_those_of_the_recipe():
    assert {page: lesson(page, "n_steps") for page in PAGES.values()} == {
        page: rooms.recipe(name).PAGE.n_steps for name, page in PAGES.items()
    }


def test_page_03_trains_the_recipe():
    recipe = rooms.recipe("vae")
    images = data.digits().images[:512]
    page = names("03_vae", "autoencoder-model", "plain-loop", "terms-code", "reparameterise-code", "plain-model",
                 "model", "fit-code", images=images)  # fmt: skip
    run, n_steps = runtime.setup(0), 12
    model = page["VAE"](page["latent_dim"])
    ours, average = recipe.build(recipe.PAGE, images)
    assert ours.decoder[-1].bias.equal(model.decoder[-1].bias)  # both start at the mean image
    ours.load_state_dict(model.state_dict())
    average.model.load_state_dict(model.state_dict())
    torch.manual_seed(run.seed)
    theirs = page["fit"](model, lambda model, x: -page["elbo"](model, x), n_steps)["loss"]
    torch.manual_seed(run.seed)
    losses = [loss.item() for loss in recipe.fit(ours, average, replace(recipe.PAGE, n_steps=n_steps), images,
                                                 seed=run.seed, autocast=run.autocast())]  # fmt: skip
    assert losses == theirs.tolist()
    assert all(map(torch.equal, average.model.parameters(), model.parameters()))  # the page keeps the average


def test_page_05_trains_the_recipe():
    recipe = rooms.recipe("dcgan")
    images = data.digits().images[:256]
    page = names("05_dcgan", "model-generator", "model-discriminator", "players-code", "fit-code")
    ours = page["fit"](images, 10, progress=False)[:2]  # the generator and its average
    run = runtime.setup(0)
    torch.manual_seed(run.seed)
    players = recipe.build(recipe.PAGE)
    settings = replace(recipe.PAGE, n_steps=10)
    for _ in recipe.fit(players, settings, images, autocast=run.autocast()):
        pass
    for model, its in zip(ours, (players.generator, players.average.model), strict=True):
        weights = its.state_dict()
        assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_page_08_trains_the_recipe():
    recipe, run = rooms.recipe("cyclegan"), runtime.setup(0)
    hei, kai = (2 * data.hanzi(name).images - 1 for name in ("hei", "kai"))
    in_hei, in_kai, held_out = recipe.halves(len(hei))
    page = names("08_cyclegan", "glyphs-data", "glyphs-place", "glyphs-baselines", "net-model", "net-translator",
                 "judge-model", "losses-code", "fit-optimizers", "fit-code")  # fmt: skip
    assert torch.equal(page["in_hei"], in_hei) and torch.equal(page["in_kai"], in_kai)
    assert set(page["held_out"].tolist()) <= set(held_out.tolist())
    torch.testing.assert_close(page["hei"], cyclegan.fitted(hei, hei[in_hei], kai[in_kai]))
    settings = replace(recipe.PAGE, n_steps=4)
    assert (page["cycle_weight"], page["batch_size"]) == (settings.cycle, settings.batch_size)
    ours, log = page["fit"](page["cycle_weight"], settings.n_steps)
    torch.manual_seed(run.seed)
    model, average, judge = recipe.build(settings)
    half = {"autocast": run.autocast(), "bf16": run.dtype is torch.bfloat16}
    errors = list(recipe.fit(model, average, judge, settings, page["x_real"], page["y_real"], seed=run.seed, **half))
    assert torch.stack(errors).tolist() == log["cycle"].tolist()
    assert any(w.abs().max() > 0 for w in ours.last.parameters())
    for theirs, weights in zip(ours.parameters(), average.model.parameters(), strict=True):
        assert torch.equal(theirs, weights)


def test_page_09_trains_the_recipe():
    recipe, digits = rooms.recipe("diffusion"), data.digits()
    images, labels = digits.images[:256], digits.labels[:256]
    settings, run = replace(recipe.PAGE, n_steps=5), runtime.setup(0)
    ours, average = recipe.build(settings, images)
    page = names("09_diffusion", "learn-fit", images=images, labels=labels, net=copy.deepcopy(ours))
    torch.manual_seed(run.seed)
    page["n_steps"] = settings.n_steps
    exec(cells("09_diffusion")["train-run"], page)
    torch.manual_seed(run.seed)
    half = {"autocast": run.autocast(), "bf16": run.dtype is torch.bfloat16}
    for _ in recipe.fit(ours, average, settings, images, labels, seed=run.seed, **half):
        pass
    assert any(w.abs().max() > 0 for w in average.model.last.parameters())  # it has learnt something
    for theirs, weights in zip(page["model"].parameters(), average.model.parameters(), strict=True):
        assert torch.equal(theirs, weights)
    walk = cells("09_diffusion")["look-figure"]
    assert f'"fresh": {settings.fresh}' in walk and lesson("09_diffusion", "n_walk") == settings.n_walk


@pytest.mark.parametrize("task", ["contrast", "rotation", "masking"])
def test_page_02_trains_the_recipe(task):
    recipe, digits = rooms.recipe("contrast"), data.digits()
    images, run = digits.images[:512], runtime.setup(0)
    grey = {"mean": images.mean().item(), "spread": images.std().item()}
    ids = ("tiny-code", "encoder-block", "encoder-class", "fit-code", "views-code", "heads-code", "rotation-centre")
    page = names("02_representations", *ids, images=images, grey=grey)
    page |= {"n_steps": 3, "n_rotation": 3, "n_masking": 3}
    torch.manual_seed(run.seed)
    exec(cells("02_representations")[f"{task}-code"], page)
    settings = {"contrast": recipe.PAGE, "rotation": recipe.ROTATION, "masking": recipe.MASKING}[task]
    name = {"contrast": "n_steps"}.get(task, f"n_{task}")
    assert lesson("02_representations", name) == settings.n_steps
    torch.manual_seed(run.seed)
    model, average = recipe.build(replace(settings, n_steps=3), images)
    half = {"autocast": run.autocast(), "bf16": run.dtype is torch.bfloat16}
    for _ in recipe.fit(model, average, replace(settings, n_steps=3), images, seed=run.seed, **half):
        pass
    theirs, ours = page[{"contrast": "ours"}.get(task, task)].state_dict(), average.model.state_dict()
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_the_rival_of_page_02_is_that_of_the_recipe():
    recipe, digits = rooms.recipe("contrast"), data.digits()
    images, y, run = digits.images[:100], digits.labels[:100], runtime.setup(0)
    grey = {"mean": images.mean().item(), "spread": images.std().item()}
    page = names("02_representations", "encoder-block", "encoder-class", "fit-code", "views-code", grey=grey)

    def loss_of(model, x, y):
        return torch.nn.functional.cross_entropy(model(page["all_views"](x)).float(), y)

    torch.manual_seed(run.seed)
    theirs = page["fit"](torch.nn.Linear(128, 10), loss_of, (images, y), 3, batch_size=50).state_dict()
    settings = replace(recipe.RIVAL, n_steps=3)
    torch.manual_seed(run.seed)
    model, average = recipe.build(settings, images)
    half = {"autocast": run.autocast(), "bf16": run.dtype is torch.bfloat16}
    for _ in recipe.fit(model, average, settings, images, y, seed=run.seed, **half):
        pass
    assert all(torch.equal(value, theirs[name]) for name, value in average.model.state_dict().items())
    assert lesson("02_representations", "n_rival") == recipe.RIVAL.n_steps


def test_page_02b_trains_the_recipe():
    recipe, run = rooms.recipe("words"), runtime.setup(0)
    counts = torch.arange(400.0).sin().abs().mul(9).round().view(20, 20)
    settings = replace(recipe.PAGE, n_steps=8, batch_size=6)
    page = names("02b_words", "small-loss", "skip-code", "skip-fit")
    for name in ("dim", "k", "alpha", "penalty", "window", "at_least"):
        assert page[name] == getattr(settings, name)
    page["n_steps"] = settings.n_steps
    ours = page["skip_gram"](counts, page["penalty"], batch_size=settings.batch_size)
    torch.manual_seed(run.seed)
    model = recipe.build(settings, counts)
    for _ in recipe.fit(model, settings, counts, seed=run.seed):
        pass
    for theirs, weights in zip(ours.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(theirs, weights, rtol=1e-4, atol=1e-5)
    assert page["skip_gram"].__defaults__ == (settings.dim, settings.lr, recipe.PAGE.batch_size)


def test_page_11_trains_the_recipe():
    recipe = rooms.recipe("gpt")
    page, source = names("11_gpt"), cells("11_gpt")
    characters = text.Characters(data.shakespeare().train[:20_000])
    ids = characters.encode(data.shakespeare().train[:20_000])
    V = characters.vocab_size
    sizes = (page[n] for n in ("context", "n_layers", "n_heads", "width"))
    page |= {"V": V, "config": page["gpt"].GPTConfig(V, *sizes), "n_steps": 4}
    exec(source["optimisers"], page)
    run = runtime.setup(0)
    losses = []
    for x, y in text.batches(ids, page["batch_size"], page["context"], 4, seed=run.seed, progress=False):
        with run.autocast():
            logits = page["model"](x)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        loss.backward()
        for optimizer, schedule in zip((page["muon"], page["adam"]), page["schedules"], strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        page["average"].update()
        losses.append(loss.item())
    settings = replace(recipe.PAGE, n_steps=4)
    torch.manual_seed(run.seed)
    model, average = recipe.build(settings, V)
    bf16 = run.dtype is torch.bfloat16
    theirs = [x.item() for x in recipe.fit(model, average, settings, ids, autocast=run.autocast(), bf16=bf16)]
    assert theirs == pytest.approx(losses, rel=1e-5)  # the optimisers take their groups in another order
    for p, q in zip(average.model.parameters(), page["average"].model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_is_one_short_file_that_runs_by_itself(name, tmp_path):
    path = REPO / "recipes" / f"{name}.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150
    command = [sys.executable, str(path), "--seed", "1", "--short", "--n-steps", "2", "--batch-size", "16"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "n_steps=2" in done.stdout and re.search(r"(loss|distance)\D+\d", done.stdout)
