"""A language model of a few thousand random weights with single-character tokens: its answers agree by chance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ANSWERS = "012345"
LETTERS = "abcdefgh"
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

CONFIG = {"preset": "empo-math", "extraction": ["whole_text"]}
"""Every character is an answer, so that groups have some of which several agree and several do not."""


def tokenizer(words: Sequence[str] = (*ANSWERS, *LETTERS)) -> PreTrainedTokenizerFast:
    """One token a character of a prompt, and a word a token of the model's."""
    words = ["<pad>", "<eos>", *words]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="left", chat_template=TEMPLATE
    )


def model(words: Sequence[str] = (*ANSWERS, *LETTERS)) -> LlamaForCausalLM:
    """The same weights in every process."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=2 + len(words),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=256,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
    )


def prompt(number: int) -> str:
    """The text of a prompt; two numbers that follow each other have the same one."""
    return "".join(LETTERS[number // 2 >> shift & 7] for shift in (6, 3, 0))
