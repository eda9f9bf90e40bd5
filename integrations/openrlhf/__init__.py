"""OpenRLHF (0.9.10 and later): an agent file, which is recommended, and a reward function.

OpenRLHF is given `agent_func.py` or `reward_func.py` by path; the other modules are imported by these.
docs/openrlhf.md says which to choose.
"""
