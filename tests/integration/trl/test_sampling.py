"""The benchmark's own sampling and log-probabilities, beside those of transformers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tiny
import torch
from transformers import GenerationConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from training.smollm import SmolLM

TOKENS = 6


def prompts() -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts of different lengths, filled up on the left, each three times."""
    read = tiny.tokenizer()([f"{tiny.LETTERS[:length]}01"[-length:] for length in range(2, 9)], padding=True)
    ids, mask = (torch.tensor(read[name]) for name in ("input_ids", "attention_mask"))
    return ids.repeat_interleave(3, 0), mask.repeat_interleave(3, 0)


def model() -> SmolLM:
    """The weights of the tiny model, with an end that comes early in some completions and never in others."""
    made = SmolLM(tiny.model().config)
    made.load_state_dict(tiny.model().state_dict())
    with torch.no_grad():
        made.lm_head.weight *= 40
    return made.eval()


def test_greedy_completions_are_those_of_transformers() -> None:
    ids, mask = prompts()
    how = GenerationConfig(max_new_tokens=TOKENS, do_sample=False, pad_token_id=1, eos_token_id=1)
    made = model()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = LlamaForCausalLM.generate(made, ids, attention_mask=mask, generation_config=how)
    counts = torch.full((len(ids) // 3,), 3)
    found = made.sample(ids[::3], mask[::3], counts, TOKENS, None)
    missing = ids.shape[1] + TOKENS - expected.shape[1]
    padded = torch.nn.functional.pad(expected[:, ids.shape[1] :], (0, missing), value=1)
    assert torch.equal(found.ids, padded)
    assert len({tuple(row) for row in padded.tolist()}) > 2


def test_samples_come_as_often_as_the_model_says() -> None:
    ids, mask = (part[:1] for part in prompts())
    made, temperature, count = model(), 40.0, 20_000
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = (made(ids, attention_mask=mask).logits[0, -1].float() / temperature).softmax(-1)
    torch.manual_seed(0)
    found = made.sample(ids, mask, torch.tensor([count]), 1, temperature)
    shares = torch.bincount(found.ids[:, 0], minlength=len(expected)) / count
    assert torch.allclose(shares, expected, atol=4 * 0.5 / count**0.5)
    assert found.entropy == pytest.approx(-float((expected * expected.log()).sum()), abs=1e-3)


def test_the_trainer_gets_each_prompt_with_its_completion() -> None:
    ids, mask = prompts()
    how = GenerationConfig(max_new_tokens=TOKENS, temperature=1.0)
    found = model().generate(ids, attention_mask=mask, generation_config=how)
    assert found.shape == (len(ids), ids.shape[1] + TOKENS)
    assert torch.equal(found[:, : ids.shape[1]], ids)


def test_log_probabilities_and_their_gradients_are_those_of_each_row_alone() -> None:
    ids, mask = prompts()
    ids, mask = ids[1:], mask[1:]  # a batch may begin within a group
    made, plain = model(), LlamaForCausalLM(tiny.model().config)
    plain.load_state_dict(made.state_dict())
    completions = torch.randint(2, 10, (len(ids), 4), generator=torch.Generator().manual_seed(0))
    lengths = torch.arange(len(ids)) % 4 + 1
    shown = (torch.arange(4) < lengths[:, None]).long()
    ids, mask = torch.cat([ids, completions], 1), torch.cat([mask, shown], 1)
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :-4] = -100

    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = plain(ids, attention_mask=mask, position_ids=positions, logits_to_keep=5).logits[:, :-1]
    expected = logits.log_softmax(-1).gather(-1, ids[:, -4:, None])[..., 0] * shown
    found = made(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
    assert torch.allclose(found.log_probs, expected, atol=1e-5)
    entropy = -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1) * shown
    assert torch.allclose(found.entropy, entropy, atol=1e-5)

    weights = torch.linspace(-1, 1, expected.numel()).view_as(expected)
    (found.log_probs * weights).sum().backward()
    (expected * weights).sum().backward()
    for (name, ours), theirs in zip(made.named_parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-4), name
