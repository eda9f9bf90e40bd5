"""The language model and its tokenizer."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # all models are made locally

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from .settings import Size
from .task import TOKEN_PATTERN, TOKENS


def device() -> str:
    """The torch device."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    """The device's name, for a result."""
    return torch.cuda.get_device_name() if device() == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)"


def new_model(size: Size, seed: int) -> LlamaForCausalLM:
    """A model with random weights, given by the seed."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=size.hidden,
        intermediate_size=3 * size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=128,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config).to(device())


def saved_model(folder: Path) -> LlamaForCausalLM:
    """Load a checkpoint of `pretrain`."""
    return LlamaForCausalLM.from_pretrained(folder, local_files_only=True).to(device())


def new_tokenizer() -> PreTrainedTokenizerFast:
    r"""A tokenizer with one token per character, and one for `\boxed{`."""
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(TOKENS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(TOKEN_PATTERN), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        model_max_length=128,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
