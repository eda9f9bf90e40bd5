"""Instructions that are put around prompts: EMPO's own by name, or a text.

Sources: https://github.com/QingyangZhang/EMPO, commit c5eccd4: `math_data/NM_20K_1010.parquet` (the prompts of the
published runs with verl), and `trl/src/open_r1/empo.py` with `trl/recipes/Qwen2.5/rl` (the preprint's runs with TRL).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from empo_rewards.datasets.prompts import Prompt
from empo_rewards.errors import InputError, suggestion
from empo_rewards.group import content_text

SLOT = "{prompt}"
BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True)
class Instruction:
    """What is asked beside the prompt.

    Args:
        user: the user's message, with `{prompt}` in the place of the prompt.
        system: the system's message; None: none. A prompt that has one keeps its own.
        ability: what is asked for, in verl's sense, where prompts do not say it; None: unknown.
    """

    user: str = SLOT
    system: str | None = None
    ability: str | None = None

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt as chat messages, with the instruction.

        Raises:
            InputError: the prompt has messages, but no user's.
        """
        if isinstance(prompt.prompt, str):
            messages = [{"role": "user", "content": self.user.replace(SLOT, prompt.prompt)}]
        else:
            messages = [dict(message) for message in prompt.prompt]
            last = next((message for message in reversed(messages) if message.get("role") == "user"), None)
            if last is None:
                raise InputError("an instruction needs a message of the user, and a prompt has none")
            last["content"] = self.user.replace(SLOT, content_text(last["content"]))
        if self.system is not None and messages[0].get("role") != "system":
            messages.insert(0, {"role": "system", "content": self.system})
        return replace(prompt, prompt=messages, ability=prompt.ability or self.ability)


INSTRUCTIONS: Mapping[str, Instruction] = {
    "empo-math": Instruction(
        "{prompt} Let's think step by step and output the final answer within \\boxed{}.", ability="math"
    ),
    "empo-math-trl": Instruction(
        "{prompt} Let's think step by step and output the final answer within \\boxed{}", BOXED, "math"
    ),
    "empo-natural": Instruction(
        "Question: {prompt} Reason step by step and put the answer in \\boxed{}.", BOXED, "reasoning"
    ),
    "boxed": Instruction(f"{{prompt}}\n{BOXED}"),
}
"""Named instructions: the paper's for mathematics (verl; TRL) and for free-form questions, and Qwen's for boxes."""


def find_instruction(text: str) -> Instruction:
    """The instruction of that name, or of a text that is put after the prompt, or around its `{prompt}`.

    Raises:
        InputError: one word that is no name.
    """
    if text in INSTRUCTIONS:
        return INSTRUCTIONS[text]
    if SLOT in text:
        return Instruction(text)
    if not any(character.isspace() for character in text.strip()):
        raise InputError(f"no instruction is called {text!r}{suggestion(text, INSTRUCTIONS)}")
    return Instruction(f"{SLOT}\n{text}")
