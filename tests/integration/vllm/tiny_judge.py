"""A tiny language model as a judge, which knows the names of a few cities.

A Llama of one layer with weights set by hand, and a tokenizer of whole words. Its attention is uniform and detects
which cities a prompt names, at any position. A unit of its feed-forward layer fires if both names of a city occur. Its
output is known (`decision`), so that clusters can be checked; for Atlantis it says neither Yes nor No.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

MEANINGS = {"Paris": 1, "Lutetia": 1, "London": 2, "Londinium": 2, "Rome": 3, "Oslo": 4}
ATLANTIS = "Atlantis"

_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
_DIMENSIONS = {name: place for place, name in enumerate(("constant", "yes", "perhaps", *MEANINGS, ATLANTIS))}
_SPREAD = 16.0
"""Uniform attention divides what a token says by the length of the prompt, some 150 tokens; this makes it about 1."""


def decision(first: str, second: str) -> str:
    """What the judge says of two answers."""
    if ATLANTIS in (first, second):
        return "Perhaps"
    return "Yes" if MEANINGS[first] == MEANINGS[second] else "No"


def make(folder: Path) -> None:
    """Saves the judge as a model that vLLM loads."""
    tokenizer = _tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,  # of 64, as vLLM wants them on a CPU
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if name.endswith("norm.weight") else 0.0)
        _set_weights(model, tokenizer)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def _set_weights(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    d = _DIMENSIONS
    cities = (*MEANINGS, ATLANTIS)
    embedding = model.model.embed_tokens.weight
    embedding[:, d["constant"]] = 1.0
    for city in cities:
        embedding[tokenizer.convert_tokens_to_ids([city, f" {city}"]), d[city]] = 1.0
    layer = model.model.layers[0]
    for city in cities:  # queries and keys stay 0: every token is looked at alike
        layer.self_attn.v_proj.weight[d[city], d[city]] = 1.0
        layer.self_attn.o_proj.weight[d[city], d[city]] = _SPREAD
    detectors = [(a, b, "yes") for a, b in combinations(MEANINGS, 2) if decision(a, b) == "Yes"]
    for unit, (left, right, found) in enumerate([*detectors, (ATLANTIS, ATLANTIS, "perhaps")]):
        layer.mlp.gate_proj.weight[unit, d[left]] = 1.0
        layer.mlp.up_proj.weight[unit, d[right]] = 1.0
        layer.mlp.down_proj.weight[d[found], unit] = 0.1
    head = model.lm_head.weight
    for word, dimension, weight in (("Yes", "yes", 3), ("Perhaps", "perhaps", 3), ("No", "constant", 1)):
        head[tokenizer.convert_tokens_to_ids([word, f" {word}"]), d[dimension]] = weight
    # Where a grammar asks for JSON: rather a whole word than its letters, and anything rather than white space.
    head[tokenizer.convert_tokens_to_ids("decision"), d["constant"]] = 0.3
    head[tokenizer.convert_tokens_to_ids([" ", "\n"]), d["constant"]] = -1.0


def _tokenizer() -> PreTrainedTokenizerFast:
    """Whole words, each with the space before it; others are unknown."""
    words = [*MEANINGS, ATLANTIS, "Yes", "No", "Perhaps", "decision"]
    entries = ["<pad>", "<eos>", "<unk>", "\n", *map(chr, range(32, 127)), *words, *(f" {word}" for word in words)]
    tokenizer = Tokenizer(models.WordLevel({entry: place for place, entry in enumerate(entries)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\w+|\s|[^\w\s]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    fast.chat_template = _TEMPLATE
    return fast
