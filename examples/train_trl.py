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

sizes = {"num_generations": 16, "per_device_train_batch_size": 16, "gradient_accumulation_steps": 16}
length = {"max_steps": given.steps, "max_completion_length": given.tokens}
pace = {"learning_rate": 1e-6, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 10}
args = GRPOConfig(given.output, logging_steps=1, use_cpu=not torch.cuda.is_available(), **sizes, **length, **pace)
trainer = GRPOTrainer(given.model, reward_funcs=EMPOReward("empo-math"), args=args, train_dataset=rows)
trainer.train()
trainer.save_model()
