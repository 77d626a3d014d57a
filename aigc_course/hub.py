"""Language models by name: the small one that the course ships, or a public one where AIGC_MODEL asks for it.

`model()` gives the shipped one. With AIGC_MODEL=distilgpt2, Qwen/Qwen3-0.6B or a folder it gives that one instead, from
the cache or from the hub at HF_ENDPOINT (default: huggingface.co). The settings of `data` hold: AIGC_CACHE,
AIGC_OFFLINE=1 (never touch the network), AIGC_STANDIN=1 (the shipped model whatever is asked for) or 0 (no model in
place of another: raise HubError), AIGC_TIMEOUT (seconds that a hub may stay silent), AIGC_QUIET=1 (no progress bar).
Only safetensors weights are fetched and read, never pickles, and no code from a hub is run.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aigc_course.plumbing import fetch
from aigc_course.plumbing.settings import cache_dir, flag, public, setting, timeout

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = "course_gpt2"
FILES = ("*.json", "*.txt", "*.jinja", "*.safetensors")  # configuration, tokenizer, chat template, weights
CHAT = (  # a chat template for a model that has none: plain lines, as in a play
    "{% for message in messages %}{{ message['role'] | upper }}:\n{{ message['content'] | trim }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:\n{% endif %}"
)

_failures: set[tuple] = set()  # models that could not be had, with the settings of the time: not tried twice


class HubError(RuntimeError):
    """A model that cannot be had; one sentence says what happened and what to do."""


class Model(NamedTuple):
    """A causal language model in evaluation mode, its tokenizer, and the name under which it was found."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str


def model(name: str | None = None, *, device: str | None = None, dtype: torch.dtype | None = None) -> Model:
    """The model `name` (default: AIGC_MODEL, else the shipped one), or the shipped one in its place, announced.

    name: of a model on the hub, a folder, or "course_gpt2". dtype: of the weights, by default float32. A tokenizer
    without a padding token gets the end token for it, one without a chat template gets `CHAT`. Raises HubError instead
    of using the shipped model where AIGC_STANDIN=0, and for a folder that holds no model.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place, name = folder(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        options = {"dtype": dtype or torch.float32, "use_safetensors": True, "trust_remote_code": False}
        network = AutoModelForCausalLM.from_pretrained(place, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = str(error).strip().split("\n")[0]
        raise HubError(f"the files of {name} are no causal language model that this library reads ({first})") from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = CHAT
    return Model(network.to(device).eval(), tokenizer, name)


def folder(name: str | None = None) -> tuple[Path, str]:
    """The folder with the files of the model `name`, fetched where needed, and the name of what is in it."""
    name = name or setting("AIGC_MODEL") or SHIPPED
    shipped = fetch.embedded(f"{SHIPPED}/config.json").parent, SHIPPED
    if name == SHIPPED:
        return shipped
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser(), name
    settings = (name, endpoint(), *(setting(f"AIGC_{key}") for key in ("CACHE", "OFFLINE", "TIMEOUT")))
    forced = flag("AIGC_STANDIN")
    if forced:
        print(f"AIGC_STANDIN=1 is set, so the course's own small model stands in for {name}.")
    elif forced is None and settings in _failures:
        print(f"{name} cannot be had (see above), so the course's own small model stands in.")
    else:
        try:
            return _fetch(name), name
        except HubError as error:
            if forced is False:
                raise
            _failures.add(settings)
            print(f"{error}; until then the course's own small model stands in for it.")
    return shipped


def endpoint() -> str:
    """The address of the hub as it is set: HF_ENDPOINT, or the public one. To be shown only through public."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _fetch(name: str) -> Path:
    """The files of a model from the cache, else from the hub; HubError where neither has them whole."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    hub, cache = public(endpoint()), cache_dir() / "hub"
    ask = {"repo_id": name, "cache_dir": cache, "allow_patterns": list(FILES), "ignore_patterns": ["*/*"]}
    try:
        found = Path(snapshot_download(**ask, local_files_only=True))
        if not missing(found):
            return found
    except HFValidationError:
        raise HubError(f"{name!r} is neither a folder nor a model's name, such as Qwen/Qwen3-0.6B") from None
    except OSError:
        pass  # not in the cache
    if flag("AIGC_OFFLINE"):
        raise HubError(f"{name} is not in the cache and AIGC_OFFLINE=1 forbids to fetch it; unset AIGC_OFFLINE")
    if flag("AIGC_QUIET"):
        disable_progress_bars()
    try:
        print(f"{name}: fetching from {hub}")
        found = Path(snapshot_download(**ask, endpoint=endpoint(), etag_timeout=timeout()))
    except GatedRepoError:
        raise HubError(f"{name} asks at {hub} for consent to its terms; give it there, or choose another") from None
    except RepositoryNotFoundError:
        raise HubError(f"{hub} has no model {name}; look for its name there") from None
    except Exception as error:  # of the connection, of the server, of the disk: each library has its own
        why = type(error.__cause__ or error).__name__
        raise HubError(f"{name} cannot be had from {hub} ({why}); look at the connection and try again") from None
    if lacking := missing(found):
        raise HubError(f"{name} at {hub} lacks {', '.join(lacking)}; choose a model that has them")
    return found


def missing(place: Path) -> list[str]:
    """What a folder lacks of a model that can be loaded: configuration, tokenizer, each file of the weights."""
    lacking = [] if (place / "config.json").is_file() else ["config.json"]
    if not any((place / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json")):
        lacking.append("a tokenizer")
    index = place / "model.safetensors.index.json"
    shards = {"model.safetensors"}
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    return lacking + sorted(shard for shard in shards if not (place / shard).is_file())
