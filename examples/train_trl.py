"""Train a model on prompts without labels: python examples/train_trl.py prompts.jsonl trained --model MODEL"""

import argparse

import torch
from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer

from empo_rewards.integrations.trl import EMPOReward

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("prompts", help="JSON lines, each with a `prompt`")
parser.add_argument("output", help="where the checkpoints and the trained model go")
parser.add_argument("--model", default="Qwen/Qwen2.5-Math-1.5B")
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--tokens", type=int, default=2048, help="the longest response")
given = parser.parse_args()
INSTRUCTION = "\nPlease reason step by step, and put your final answer within \\boxed{}."
rows = load_dataset("json", data_files=given.prompts, split="train")
rows = rows.map(lambda row: {"prompt": [{"role": "user", "content": row["prompt"] + INSTRUCTION}]})
rows = rows.train_test_split(min(48, len(rows) // 4), seed=0)  # sampled repeatedly, for the monitor
sizes = {"num_generations": 16, "per_device_train_batch_size": 16, "gradient_accumulation_steps": 16}
length = {"max_steps": given.steps, "max_completion_length": given.tokens, "per_device_eval_batch_size": 16}
pace = {"learning_rate": 1e-6, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 10, "beta": 0.04}
looks = {"logging_steps": 1, "eval_strategy": "steps", "eval_steps": 10, "eval_on_start": True}
args = GRPOConfig(given.output, use_cpu=not torch.cuda.is_available(), **sizes, **length, **pace, **looks)
reward = EMPOReward({"preset": "empo-math", "observers": ["monitor"]})
trainer = GRPOTrainer(given.model, reward, args=args, train_dataset=rows["train"], eval_dataset=rows["test"])
trainer.train()
trainer.save_model()
