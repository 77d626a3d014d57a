"""Language models by name: the small one that the course ships, or a public one where AIGC_MODEL asks for it.

`model()` gives the shipped one or, with AIGC_MODEL=distilgpt2, Qwen/Qwen3-0.6B or a folder, that one, from a cache or
from the hub at HF_ENDPOINT. The settings of `data` hold: AIGC_CACHE, AIGC_OFFLINE=1, AIGC_STANDIN=1 (the shipped model
whatever is asked for) or 0 (no model in place of another: raise HubError), AIGC_TIMEOUT, AIGC_QUIET=1. Only safetensors
weights are read, never pickles, and no code of a model is run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aigc_course.plumbing import fetch, models
from aigc_course.plumbing.console import say
from aigc_course.plumbing.models import HubError
from aigc_course.plumbing.settings import flag, public, setting

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = "course_gpt2"
CHAT = (  # a chat template for a model that has none: plain lines, as in a play
    "{% for message in messages %}{{ message['role'] | upper }}:\n{{ message['content'] | trim }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:\n{% endif %}"
)


class Model(NamedTuple):
    """A causal language model in evaluation mode, its tokenizer, and the name under which it was found."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str


def model(name: str | None = None, *, device: str | None = None, dtype: torch.dtype | None = None) -> Model:
    """The model `name` (default: AIGC_MODEL, else the shipped one), or the shipped one in its place, announced.

    name: on the hub, a folder, or "course_gpt2". dtype: of the weights, by default float32. A tokenizer without padding
    gets the end token for it, one without a chat template `CHAT`. HubError instead of the shipped model where
    AIGC_STANDIN=0, and for a folder that holds no causal language model.
    """
    name = name or setting("AIGC_MODEL") or SHIPPED
    shipped, folder = fetch.embedded(f"{SHIPPED}/config.json").parent, os.path.expanduser(name)
    if name != SHIPPED and os.path.isdir(folder):
        return _load(models.check(Path(folder), name)[0].parent, name, device, dtype)
    if name != SHIPPED and flag("AIGC_STANDIN"):
        say(f"AIGC_STANDIN=1 is set, so the course's own small model stands in for {public(name)}.")
    elif name != SHIPPED:
        try:
            return _load(models.fetch(name)[0].parent, name, device, dtype)
        except HubError as error:
            if flag("AIGC_STANDIN") is False:
                raise
            say(f"{error}; until then the course's own small model stands in for it.")
    return _load(shipped, SHIPPED, device, dtype)


def _load(place: Path, name: str, device: str | None, dtype: torch.dtype | None) -> Model:
    """The model in a folder. HubError where its weights are not exactly those of its network, or it sees the future."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    verbosity, own = logging.get_verbosity(), {"trust_remote_code": False, "local_files_only": True}
    logging.set_verbosity_error()  # what it would warn of is an error here
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **own)
        options = own | {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
        network, report = AutoModelForCausalLM.from_pretrained(place, dtype=dtype or torch.float32, **options)
        network = network.to(device).eval()
        with torch.no_grad():  # the logits of the first of two tokens, before each of two second ones
            one, other = network(torch.tensor([[0, 0], [0, 1]], device=network.device)).logits[:, 0].float()
    except Exception as error:  # each library has its own, and a file can be wrong in many ways
        why = f"{type(error).__name__}: {str(error).strip()}".split("\n")[0]
        raise HubError(f"the files of {name} cannot be loaded here ({why}); choose another model") from None
    finally:
        logging.set_verbosity(verbosity)
    faults = {"missing_keys": "is missing", "unexpected_keys": "is unknown", "mismatched_keys": "has another shape"}
    for key, words in faults.items():
        for tensor in sorted(map(str, report[key])):
            if not tensor.endswith((".attn.bias", "masked_bias", "inv_freq")):  # constants, in old files
                raise HubError(f"the weights of {name} do not fit its config.json: {tensor} {words}; choose another")
    if not all(tensor.isfinite().all() for tensor in (one, *network.parameters())):
        raise HubError(f"the weights of {name} hold or give what is no number; choose another, or another dtype")
    if not torch.allclose(one, other, atol=1e-2 * one.abs().max()):
        raise HubError(f"{name} is no causal language model, its first output sees the second token; choose another")
    if not 0 <= max(tokenizer.get_vocab().values(), default=-1) < network.get_input_embeddings().num_embeddings:
        raise HubError(f"the tokenizer of {name} has no tokens, or more than its network; choose another")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.chat_template = tokenizer.chat_template or CHAT
    return Model(network, tokenizer, name)
