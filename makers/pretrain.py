"""Pre-train the small GPT-2 that notebooks 12 and 13 start from: data/course_gpt2/.

    python makers/pretrain.py --steps 2000 --save   # about a quarter of an hour of one core
    python makers/pretrain.py --go-on --steps 600 --lr 0.002 --lr-muon 0.01 --save   # four minutes more
    python makers/pretrain.py --minutes 2           # a trial: as many steps as two minutes seem to allow
    python makers/pretrain.py --without-catalogue build/control --steps 2000   # a control for notebook 13, not shipped

--save writes the folder (weights, tokenizer, card) and makers/pretrain.json, whose figures the card repeats. Only
the number of steps may depend on the clock: with --steps, the weights depend on seed, corpus and arithmetic alone.

The corpus is what the course may use and a reader has at hand: the training part of tinyshakespeare, docstrings and
comments of Python's standard library and of installed packages under permissive licences, the course's own prose, and
its catalogue: records of made-up things with texts about them (`catalogue.py`).
Paragraphs that are not English sentences (tables, listings, lists of parameters) are left out, repeats too. Nothing of
banking77, e2e, sentfin or their stand-ins is in it, so that notebook 13 may be scored on all of them.

--card writes card, receipt and the tokenizer's settings anew for the stored weights: how much of the held-out text
stands in the training text word for word is measured, and nothing is trained.

--without-catalogue FOLDER leaves the catalogue out and writes weights and tokenizer to that folder; with --go-on it
goes on from there. The tokenizer is the stored one, so that the two checkpoints differ in what they have read alone.

--go-on is a second stage: it starts from the stored checkpoint, and a quarter of each batch is random tokens that
repeat, as in notebook 10b, to learn to copy words that the network has never read.

A hundredth of the documents, chosen by their hash, is held out and scored at the end of a stage: nats per byte, beside
interpolated counts of five bytes (`ngram.NGram`, Witten-Bell), which are counted on the same training text.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import math
import platform
import re
import sysconfig
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import catalogue
import checksums
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional as F

from aigc_course import data, gpt, metrics, optim, receipts, text, train
from aigc_course.backstage import store
from aigc_course.ngram import NGram

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "data" / "course_gpt2"
RECEIPT = ROOT / "makers" / "pretrain.json"
STATE = ROOT / "build" / "pretrain.pt"  # of a run with --save that was killed
CORPUS = ROOT / "build" / "pretrain_corpus.json"  # what it had gathered
END, PAD = "<|endoftext|>", "<|pad|>"
SEED = 0
CATALOGUE_BYTES = 1_200_000
PROMPTS = ("KING RICHARD:\nWhat", "Return a copy of the", "name: Tarn Velmora; kind: bridge; colour: green =>")

PACKAGES = {  # by the name that pip knows: the folder that is read, and the licence
    "accelerate": ("accelerate", "Apache-2.0"),
    "huggingface_hub": ("huggingface_hub", "Apache-2.0"),
    "ipython": ("IPython", "BSD-3-Clause"),
    "matplotlib": ("matplotlib", "PSF-based"),
    "networkx": ("networkx", "BSD-3-Clause"),
    "numpy": ("numpy", "BSD-3-Clause"),
    "peft": ("peft", "Apache-2.0"),
    "pillow": ("PIL", "MIT-CMU"),
    "scikit-learn": ("sklearn", "BSD-3-Clause"),
    "tornado": ("tornado", "Apache-2.0"),
    "traitlets": ("traitlets", "BSD-3-Clause"),
}


# --- the corpus ----------------------------------------------------------------------------------------------


def english(paragraph: str) -> str | None:
    """A paragraph in one line without markup, or None where it is not made of English sentences."""
    if not 50 <= len(paragraph) <= 2000 or ">>>" in paragraph or "http" in paragraph or "::" in paragraph:
        return None
    if re.search(r"(?m)^ *[-=~^*+|#]{3}", paragraph):
        return None
    line = re.sub(r":[a-z:]+:(`[^`]*`)", r"\1", " ".join(paragraph.split()))
    line = re.sub(r"`+~?([^`]*)`+_*", r"\1", line).strip()
    line = re.sub(r"\*\*([^*]+)\*\*", r"\1", line)
    words = re.findall(r"(?<![\w.])[A-Za-z][a-z]*(?:'[a-z]+)?(?![\w.(=]\w|[(=_])", line)
    if len(line) < 50 or not re.match(r"[A-Z\"'(]", line) or line[-1] not in ".!?:)\"'":
        return None
    if len(words) < 0.8 * len(line.split()) or sum(len(w) for w in words) < 0.68 * len(line) or not line.isascii():
        return None
    return line


def strings(source: bytes) -> Iterator[str]:
    """A module's docstrings, then its comments of two lines or more, each as it stands."""
    with suppress(SyntaxError, ValueError, RecursionError):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""
    for block in re.findall(rb"(?m)(?:^[ \t]*# .*\n){2,}", source)[1:]:  # the first is the licence
        yield re.sub(r"(?m)^[ \t]*# ", "", block.decode("utf-8", "ignore"))


def sources(folder: Path, leave_out: set[str]) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).parts):
        if not leave_out & set(path.relative_to(folder).parts):
            yield path.read_bytes()


def documents(texts: Iterator[str], seen: set[str]) -> list[str]:
    """Each text's English paragraphs that were not seen before, whatever their digits and punctuation."""
    found = []
    for whole in texts:
        kept = []
        for paragraph in re.split(r"\n\s*\n", whole):
            line = english(paragraph)
            key = re.sub(r"[^a-z]", "", line.lower())[:80] if line else ""
            if line and key not in seen:
                seen.add(key)
                kept.append(line)
        if kept:
            found.append("\n".join(kept))
    return found


def plays() -> list[str]:
    """tinyshakespeare's first nine tenths, in pieces of 8 speeches."""
    speeches = data.shakespeare().train.split("\n\n")
    return ["\n\n".join(speeches[i : i + 8]) for i in range(0, len(speeches), 8)]


def prose() -> Iterator[str]:
    """The markdown cells of notebooks 00 to 09, and the course's guides."""
    for path in sorted((ROOT / "notebooks").glob("0*.ipynb")):
        cells = [cell for cell in receipts.read(path)["cells"] if cell["cell_type"] == "markdown"]
        yield from ("".join(cell["source"]) for cell in cells)
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        yield path.read_text(encoding="utf-8")


def corpus() -> dict[str, list[str]]:
    """Documents by source."""
    warnings.simplefilter("ignore", SyntaxWarning)  # odd escapes in the packages' sources
    warnings.simplefilter("ignore", DeprecationWarning)
    seen: set[str] = set()
    tests = {"test", "tests", "testing", "site-packages", "lib2to3", "encodings", "__pycache__", "_vendor"}
    paths = sysconfig.get_paths()
    found = {"tinyshakespeare": plays(), "course": documents(prose(), seen)}
    standard = (s for source in sources(Path(paths["stdlib"]), tests | {"pydoc_data"}) for s in strings(source))
    from pydoc_data.topics import topics  # Python's language reference, which `help()` shows

    found["Python"] = documents(iter([*standard, *(topics[name] for name in sorted(topics))]), seen)
    for package, (folder, _) in PACKAGES.items():
        read = sources(Path(paths["purelib"]) / folder, tests)
        found[package] = documents((s for source in read for s in strings(source)), seen)
    found["catalogue"] = catalogue.documents(CATALOGUE_BYTES)
    return found


def split(found: dict[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Training and held-out documents: of each hundred, chosen by their hash, one is held out."""
    parts: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for source, texts in found.items():
        for document in texts:
            out = int(hashlib.sha256(document.encode()).hexdigest(), 16) % 100 == 0
            parts[out].setdefault(source, []).append(document)
    return parts


# --- tokenizer and training ----------------------------------------------------------------------------------


def train_tokenizer(texts: list[str], vocab_size: int) -> Tokenizer:
    """Byte-level BPE, which has a token for each byte and so knows any text; each digit is a token of its own."""
    tokenizer = Tokenizer(models.BPE())
    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    """(N,): the documents one after the other, the end-of-text token before the first and after each."""
    end = tokenizer.token_to_id(END)
    ids = [end]
    for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
        ids += [*encoding.ids, end]
    return torch.tensor(ids)


def repeats(step: int, n_rows: int, n_tokens: int, vocab_size: int) -> torch.Tensor:
    """(n_rows, n_tokens): each 12 to 63 random tokens again and again, drawn for this step: the same when resumed."""
    draw, rows = torch.Generator().manual_seed(step), []
    for _ in range(n_rows):
        length = int(torch.randint(12, 64, (1,), generator=draw))
        piece = torch.randint(2, vocab_size, (length,), generator=draw)  # without the two special tokens
        rows.append(piece.repeat(n_tokens // length + 1)[:n_tokens])
    return torch.stack(rows)


class Progress:
    """Of a run, over its restarts: steps made, seconds that passed, seconds of processor time, and steps planned."""

    def __init__(self, n_steps: int | None) -> None:
        self.now = {"steps": 0, "seconds": 0.0, "processor": 0.0, "n_steps": n_steps or 0}
        self._last = time.perf_counter(), time.process_time()

    def step(self) -> None:
        last, self._last = self._last, (time.perf_counter(), time.process_time())
        self.now["steps"] += 1
        self.now["seconds"] += self._last[0] - last[0]
        self.now["processor"] += self._last[1] - last[1]

    def state_dict(self) -> dict[str, float]:
        return self.now

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.now = dict(state)


def pretrain(model: gpt.GPT2, pieces: torch.Tensor, options: argparse.Namespace) -> dict[str, float]:
    """Trains in place on rows of pieces, (N, context + 1): Muon for the blocks' matrices, AdamW for the rest.

    The rates rise for `warmup` steps, stay, and fall in a line to 0 over the last `decay` of all steps. Until they
    fall, nothing depends on the number of steps; so it can be set then, from the time that has passed. A run with
    --save that was killed goes on from its last multiple of 50 steps.
    """
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    muon = optim.Muon(matrices, lr=options.lr_muon, weight_decay=0.1, dtype=torch.bfloat16)
    adamw = torch.optim.AdamW(others, lr=options.lr, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    progress, resume, level = Progress(options.steps), None, 1 - options.decay
    if options.save:
        states = {"model": model, "muon": muon, "adamw": adamw, "progress": progress}
        resume = train.Resume(STATE, every=50, **states, **vars(options))
    model.train()
    n_repeats = options.repeats
    for batch in train.batches(pieces, options.batch - n_repeats, 10**6, seed=SEED, resume=resume, progress=False):
        done = progress.now
        if n_repeats:
            random_rows = repeats(done["steps"], n_repeats, batch.shape[1], model.config.vocab_size)
            batch = torch.cat([batch, random_rows])
        if not done["n_steps"] and done["seconds"] >= 60 * options.minutes * level:
            done["n_steps"] = int(done["steps"] / level)
        if done["n_steps"] and done["steps"] >= done["n_steps"]:
            break
        left = (1 - done["steps"] / done["n_steps"]) / options.decay if done["n_steps"] else 1.0
        rate = min((done["steps"] + 1) / options.warmup, left, 1.0)
        muon.param_groups[0]["lr"], adamw.param_groups[0]["lr"] = rate * options.lr_muon, rate * options.lr
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(batch[:, :-1])
        nats = F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten(), reduction="none")
        nats.mean().backward()
        for optimizer in (muon, adamw):
            optimizer.step()
            optimizer.zero_grad()
        progress.step()
        if done["steps"] % 25 == 0:
            times = f"{done['seconds']:.0f} s, {done['processor']:.0f} s of processor time"
            rows = nats.detach().view(len(batch), -1).mean(dim=1)
            of_repeats = f" (repeats {rows[-n_repeats:].mean():.3f})" if n_repeats else ""
            text_rows = rows[: len(batch) - n_repeats].mean()
            print(
                f"step {done['steps']:5} of {done['n_steps'] or '?'}: {text_rows:.3f} nats{of_repeats}, {times}",
                flush=True,
            )
    return progress.now


# --- scores --------------------------------------------------------------------------------------------------


def group(source: str) -> str:
    """The line of the card that a source counts towards."""
    return "packages" if source in PACKAGES else source


def joined(parts: dict[str, list[str]]) -> dict[str, list[str]]:
    """Documents by group of sources."""
    groups: dict[str, list[str]] = {}
    for source, texts in parts.items():
        groups.setdefault(group(source), []).extend(texts)
    return groups


def shared(parts: dict[str, list[str]], held_out: dict[str, list[str]], n: int = 13) -> dict[str, float]:
    """By source, and of all running text: which share of held-out groups of n words stand in a training document."""

    def groups(document: str) -> list[int]:
        words = re.findall(r"\w+", document.lower())
        return [hash(tuple(words[i : i + n])) for i in range(len(words) - n + 1)]

    known = {group for texts in parts.values() for text in texts for group in groups(text)}
    found = {source: [group for text in texts for group in groups(text)] for source, texts in held_out.items()}
    found["all"] = [group for source, mine in found.items() if source != "catalogue" for group in mine]
    return {source: sum(map(known.__contains__, mine)) / len(mine) for source, mine in found.items() if mine}


def as_bytes(texts: list[str]) -> torch.Tensor:
    """(N,): the documents' bytes, with a 0 before the first and after each: one symbol, as the end-of-text token."""
    return torch.tensor(list(b"\0" + b"".join(text.encode() + b"\0" for text in texts)))


def scores(
    model: gpt.GPT2, tokenizer: Tokenizer, counts: NGram | None, held_out: dict[str, list[str]]
) -> dict[str, dict[str, float]]:
    """Held-out nats per byte by group, in float32, and for all that is running text. A document's end counts as a byte.

    "all" leaves the catalogue out: a text that says what stands before it is easy, and would flatter the mean.
    """
    found, total = {}, {"bytes": 0, "nats": 0.0, "counted": 0.0}
    for name, texts in held_out.items():
        ids, raw = encode(tokenizer, texts), as_bytes(texts)
        n = len(raw) - 1
        nats = metrics.nats_per_token(model, ids, context=model.config.context, stride=64) * (len(ids) - 1)
        counted = counts.nats(raw)[1:].sum() if counts else math.nan
        found[name] = {"bytes": n, "nats_per_byte": nats / n, "five_gram": counted / n}
        if name != "catalogue":
            total = {"bytes": total["bytes"] + n, "nats": total["nats"] + nats, "counted": total["counted"] + counted}
    n = total["bytes"]
    return found | {"all": {"bytes": n, "nats_per_byte": total["nats"] / n, "five_gram": total["counted"] / n}}


@torch.no_grad()
def samples(model: gpt.GPT2, tokenizer: Tokenizer) -> list[dict[str, str]]:
    """What the model writes after some prompts: 60 tokens, top-p 0.9, seed 0, the first draw of each."""
    end, written = tokenizer.token_to_id(END), []
    for prompt in PROMPTS:
        ids = torch.tensor([[end, *tokenizer.encode(prompt, add_special_tokens=False).ids]])
        out = text.generate(model, ids, 60, top_p=0.9, seed=0)[0, ids.shape[1] :].tolist()
        kept = out[: out.index(end)] if end in out else out
        written.append({"prompt": prompt, "text": tokenizer.decode(kept, skip_special_tokens=False)})
    return written


# --- saving --------------------------------------------------------------------------------------------------


def save(model: gpt.GPT2, tokenizer: Tokenizer, folder: Path) -> None:
    """The library's format. Weights are stored in float16, to half the size; config.json says to load float32."""
    from transformers import PreTrainedTokenizerFast

    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    library = gpt.to_transformers(model)
    for config in (library.config, library.generation_config):
        config.bos_token_id, config.eos_token_id, config.pad_token_id = end, end, pad
    library.half().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"dtype": "float32"}
    store.write_text(folder / "config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=PAD,
        model_max_length=model.config.context,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(folder)
    how_to_read(folder)


def how_to_read(folder: Path) -> None:
    """The tokenizer's settings: prompts are padded on the left, and special tokens written in a text are text."""
    known = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    known["tokenizer_class"] = "PreTrainedTokenizerFast"  # known to versions 4 and 5 of the library
    known |= {"padding_side": "left", "split_special_tokens": True}
    store.write_text(folder / "tokenizer_config.json", json.dumps(known, indent=2, sort_keys=True) + "\n")


CARD = """---
license: cc-by-4.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# course_gpt2

A small GPT-2, pre-trained for this course from scratch. Notebook 12 loads it, notebook 13 fine-tunes it.

| | |
|---|---|
| architecture | GPT-2: {n_layers} layers, {n_heads} heads, width {width}, context {context}, {weights:,} weights, tied embeddings |
| tokenizer | byte-level BPE, {vocab_size:,} tokens with `<|endoftext|>` (0, also the first token of a text) and `<|pad|>` (1); each digit is a token; pads on the left; special tokens written in a text are read as text |
| files | {folder_bytes:,} bytes in all; weights in float16, `config.json` asks for float32 when they are loaded |
{checksums}
| made by | `{command}`, seed 0, on {date}; Python {python}, torch {torch}, {device} |
| training | {steps:,} steps, {tokens:,} tokens ({passes:.2f} passes), {minutes} minutes of processor time, {tokens_per_s:,} tokens a second |
| recipe | {recipe}; bfloat16 autocast |
| held-out bytes' perplexity | **{byte_perplexity:.2f}**; interpolated counts of five bytes: {byte_perplexity_five_gram:.2f} |

**Use.** `AutoTokenizer.from_pretrained(folder)` and `GPT2LMHeadModel.from_pretrained(folder)`, where `folder` is `data.embedded("course_gpt2/config.json").parent`. Nothing is downloaded.

**Trained on** {documents:,} documents, {corpus_bytes:,} bytes, {corpus_tokens:,} tokens:

| source | bytes | licence |
|---|---|---|
| tinyshakespeare, its first nine tenths | {plays:,} | public domain |
| Python {python}: docstrings and comments of the standard library, and the language reference that `help()` shows | {python_bytes:,} | PSF-2.0 |
| docstrings and comments of packages that the course installs | {packages_bytes:,} | each its own, see below |
| the course's prose: notebooks 00 to 09, README, CONTRIBUTING | {prose:,} | CC BY 4.0 |
| the course's catalogue: invented things as attributes, each with a text (`makers/catalogue.py`) | {catalogue:,} | CC BY 4.0 |

The packages are {packages}. Paragraphs that are not English sentences (tables, listings, lists of parameters) were left out, and all but the first of those that agree in their first 80 letters. Not in it: Banking77, E2E, SEntFiN, their stand-ins in `data/storefront/`, and tinyshakespeare's last tenth. So notebook 13 may be scored on any row of them. The catalogue has no restaurants, which E2E is about, but it has E2E's form: attributes and a text about them. So what notebook 13 measures is the worth of such pre-training, not of English alone; without fine-tuning nothing is copied reliably, as the last sample below shows.

**Held out.** About one document of a hundred, chosen by its hash, was not trained on and is scored at the end of each stage, in float32, from the stored weights. No setting was chosen on them. Nats per byte, windows of {context} tokens, stride 64; a document's end counts as one byte. Beside it what interpolated counts of five bytes reach that were counted on the same training text. Their rule, Witten and Bell's, is weak: on tinyshakespeare's last tenth Kneser and Ney's counts of the plays alone have 4.56 a byte, this model 4.75. Perplexity is exp(nats). The last row is without the catalogue, whose texts say what stands before them.

| source | bytes | nats per byte | counts | perplexity per byte | counts |
|---|---|---|---|---|---|
{rows}

**Shared with training.** Repeats were found by the first 80 letters of a paragraph only. So some sentences of the held-out documents were read in training, in another paragraph: of the running text's groups of 13 words {shares}. The scores of those sources flatter the model, and the counts too.

**What it writes** (60 tokens, top-p 0.9, seed 0, first draws):

{samples}

**Not for** anything but learning and fine-tuning. It is some thousand times smaller than a useful assistant, follows no instructions, knows no facts, and writes nonsense about software and in verse. English only: other scripts mean nothing to it. Its text was written by programmers, in 1600, and by a program, with the biases of each. Other versions of the packages give another corpus, other machines slightly other weights.

**Licence.** The weights and this card are a part of the course, CC BY 4.0 (`LICENSE-text`). It holds none of the texts.
"""  # noqa: E501


def rounded(value: Any) -> Any:
    """Floats to five digits, as a receipt should not pretend to more."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def digests() -> dict[str, str]:
    """The SHA-256 of each file of the checkpoint but the card."""
    paths = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def recipe_of(recipe: dict[str, Any], context: int) -> str:
    """A stage's settings in words."""
    rows = f", {recipe['repeats']} of the rows random tokens that repeat" if recipe["repeats"] else ""
    return (
        f"batches of {recipe['batch']} × {context} tokens{rows}, Muon {recipe['lr_muon']} for the blocks' matrices, "
        f"AdamW {recipe['lr']} for the rest, {recipe['warmup']} steps of warm-up, then level, over the last "
        f"{100 * recipe['decay']:.0f} % in a line to 0"
    )


def shares_of(shared: dict[str, float]) -> str:
    """What the held-out documents share with training, in words."""
    ordered = sorted(((share, source) for source, share in shared.items() if source != "all"), reverse=True)
    some = ", ".join(f"{source} {100 * share:.1f} %" for share, source in ordered if share)
    return f"{100 * shared['all']:.1f} % stand in training documents word for word ({some}, the other sources none)"


def card(receipt: dict[str, Any]) -> str:
    """The card of the checkpoint, from its receipt."""
    model, corpus = receipt["model"], receipt["corpus"]
    sizes = corpus["by_source"]
    packages = ", ".join(f"{name} {corpus['versions'][name]} ({licence})" for name, (_, licence) in PACKAGES.items())
    of_packages = sum(size for name, size in sizes.items() if name in PACKAGES)
    names = {"tinyshakespeare": "tinyshakespeare", "course": "the course's prose", "Python": "Python's own text"}
    names |= {"packages": "packages' docstrings", "catalogue": "the course's catalogue", "all": "**running text**"}
    rows = [
        f"| {names[name]} | {s['bytes']:,} | {s['nats_per_byte']:.3f} | {s['five_gram']:.3f} "
        f"| {math.exp(s['nats_per_byte']):.2f} | {math.exp(s['five_gram']):.2f} |"
        for name, s in receipt["held_out"].items()
    ]
    samples = "\n\n".join(f"> **{s['prompt']}**{s['text']}" for s in receipt["samples"]).replace("\n", "\n> ")
    return CARD.format(
        **{
            key: value
            for key, value in receipt.items()
            if key not in ("model", "corpus", "stages", "samples", "shared", "sha256")
        },
        **model,
        recipe="; then ".join(recipe_of(stage["recipe"], model["context"]) for stage in receipt["stages"]),
        checksums="\n".join(f"| SHA-256 of `{name}` | `{digest}` |" for name, digest in receipt["sha256"].items()),
        packages=packages,
        passes=sum(
            stage["tokens"] * (1 - stage["recipe"]["repeats"] / stage["recipe"]["batch"]) for stage in receipt["stages"]
        )
        / corpus["tokens"],
        documents=corpus["documents"],
        corpus_bytes=corpus["bytes"],
        corpus_tokens=corpus["tokens"],
        plays=sizes["tinyshakespeare"],
        python_bytes=sizes["Python"],
        packages_bytes=of_packages,
        prose=sizes["course"],
        catalogue=sizes["catalogue"],
        rows="\n".join(rows),
        shares=shares_of(receipt["shared"]),
        samples=samples.replace("\n> \n> >", "\n\n>"),
    )


def write(receipt: dict[str, Any]) -> None:
    """The card and the receipt of what lies in the folder."""
    for _ in range(3):  # the card says how large the folder is, and is a part of it
        store.write_text(FOLDER / "README.md", card(receipt))
        receipt["folder_bytes"] = sum(path.stat().st_size for path in FOLDER.iterdir())
    store.write_text(RECEIPT, json.dumps(receipt, indent=1) + "\n")
    checksums.write()


def write_card(parts: dict[str, list[str]], held_out: dict[str, list[str]]) -> None:
    """The card and the receipt of the stored weights, with what its held-out documents share with training."""
    receipt = receipts.read(RECEIPT)
    sizes = {source: sum(len(text.encode()) for text in texts) for source, texts in parts.items()}
    others = [source for source, size in receipt["corpus"]["by_source"].items() if sizes.get(source) != size]
    if set(others) - {"course"}:  # the course's prose has moved on, and has one held-out document
        raise SystemExit(f"the corpus is not what the checkpoint was trained on: {', '.join(others)}")
    how_to_read(FOLDER)
    found = shared(parts, {source: texts for source, texts in held_out.items() if source not in others})
    write(receipt | rounded({"shared": found}) | {"sha256": digests()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, help="length of the training")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, about, where --steps is not given")
    parser.add_argument("--save", action="store_true", help="write data/course_gpt2/ and makers/pretrain.json")
    parser.add_argument("--go-on", action="store_true", help="start from the stored checkpoint: the second stage")
    parser.add_argument("--card", action="store_true", help="write the card of the stored weights anew, no training")
    parser.add_argument("--without-catalogue", type=Path, metavar="FOLDER", help="a control: write it to this folder")
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=4e-3, help="AdamW's peak, for embeddings, norms and biases")
    parser.add_argument("--lr-muon", type=float, default=0.02, help="Muon's peak, for the matrices")
    parser.add_argument("--warmup", type=int, default=20, help="steps")
    parser.add_argument("--decay", type=float, default=0.5, help="last part of the steps, in which the rates fall")
    options = parser.parse_args()
    control = options.without_catalogue
    if control and options.save:
        parser.error("a control is not shipped: leave out --save")
    torch.manual_seed(SEED)
    torch.set_num_threads(1)

    started = time.perf_counter()
    options.repeats = options.batch // 4 if options.go_on else 0
    if options.go_on and not control and not STATE.is_file() and digests() != receipts.read(RECEIPT)["sha256"]:
        raise SystemExit(
            f"{FOLDER} is not what {RECEIPT.name} describes, so it is not known what --go-on goes on from."
        )
    killed = options.save and STATE.is_file() and CORPUS.is_file()
    found = receipts.read(CORPUS) if killed else corpus()
    if options.card:
        return write_card(*split(found))
    if data.standin_in_use():
        raise SystemExit("The checkpoint is trained on the genuine tinyshakespeare; the stand-in is in use.")
    if control:
        found.pop("catalogue")
    if options.save:
        store.write_text(CORPUS, json.dumps(found))
    parts, held_out = split(found)
    texts = [document for source in parts.values() for document in source]
    stages = receipts.read(RECEIPT)["stages"] if options.go_on else []
    if options.go_on:
        model, tokenizer = gpt.checkpoint(control or FOLDER)
    else:
        tokenizer = gpt.checkpoint(FOLDER)[1] if control else train_tokenizer(texts, options.vocab)
        sizes = {"n_layers": options.layers, "n_heads": options.heads, "width": options.width}
        model = gpt.GPT2(gpt.GPT2Config(tokenizer.get_vocab_size(), options.context, **sizes))
    c = model.config
    apart, ids, held_out = held_out, encode(tokenizer, texts), joined(held_out)
    n_bytes = sum(len(document.encode()) for document in texts)
    print(f"{len(texts):,} documents, {n_bytes:,} bytes, {len(ids):,} tokens; {time.perf_counter() - started:.0f} s")
    counts = NGram(as_bytes(texts), 5, 256)
    n_weights = sum(p.numel() for p in model.parameters())
    pieces = ids.unfold(0, c.context + 1, c.context)
    done = pretrain(model, pieces, options)
    n_steps, seconds = done["steps"], done["processor"]
    n_seen = n_steps * options.batch * c.context
    if options.save or control:
        folder = control or FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        save(model, tokenizer, folder)
        model, tokenizer = gpt.checkpoint(folder)  # what is scored is what is stored
    result = scores(model.eval(), tokenizer, counts, held_out)
    pace = f"{n_seen:,} tokens in {seconds:.0f} s of processor time, {n_seen / seconds:,.0f} a second"
    print(f"{n_weights:,} weights, {n_steps} steps, {pace}")
    for name, score in result.items():
        print(f"{name:16} {score['bytes']:7,} bytes  " + "  ".join(f"{k} {v:.4f}" for k, v in list(score.items())[1:]))
    if options.save:
        sizes = {"n_layers": c.n_layers, "n_heads": c.n_heads, "width": c.width}
        sizes |= {"vocab_size": tokenizer.get_vocab_size(), "context": c.context, "weights": n_weights}
        recipe = {key: getattr(options, key) for key in ("batch", "lr", "lr_muon", "warmup", "decay", "repeats")}
        rest = ("batch", "context", "decay", "heads", "layers", "lr", "lr_muon", "vocab", "warmup", "width")
        changed = [key for key in rest if getattr(options, key) != parser.get_default(key)]
        settings = ["--go-on"] * options.go_on + [f"--steps {n_steps}"]
        settings += [f"--{key.replace('_', '-')} {getattr(options, key)}" for key in changed] + ["--save"]
        stage = {"command": f"python makers/pretrain.py {' '.join(settings)}", "minutes": round(seconds / 60, 1)}
        stages.append(stage | {"steps": n_steps, "tokens": n_seen, "recipe": recipe})
        size = {source: sum(len(document.encode()) for document in texts) for source, texts in parts.items()}
        receipt = {
            "date": date.today().isoformat(),
            "device": "cpu, 1 core, bf16",
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
            "command": " && ".join(stage["command"] for stage in stages),
            "minutes": round(sum(stage["minutes"] for stage in stages), 1),
            "steps": sum(stage["steps"] for stage in stages),
            "tokens": sum(stage["tokens"] for stage in stages),
            "tokens_per_s": round(sum(s["tokens"] for s in stages) / sum(60 * s["minutes"] for s in stages)),
            "model": sizes,
            "stages": stages,
            "corpus": {
                "documents": len(texts),
                "bytes": n_bytes,
                "tokens": len(ids),
                "sha256": hashlib.sha256("\0".join(texts).encode()).hexdigest(),
                "by_source": size,
                "versions": {name: metadata.version(name) for name in PACKAGES},
            },
            "held_out": result,
            "shared": shared(parts, apart),
            "samples": samples(model, tokenizer),
            "byte_perplexity": math.exp(result["all"]["nats_per_byte"]),
            "byte_perplexity_five_gram": math.exp(result["all"]["five_gram"]),
            "sha256": digests(),
            "folder_bytes": 0,
        }
        write(rounded(receipt))
        STATE.unlink(missing_ok=True), CORPUS.unlink()


if __name__ == "__main__":
    main()
