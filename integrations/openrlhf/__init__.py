"""OpenRLHF (0.9.10 and later): an agent file, which is the recommended way, and a reward function.

`agent_func.py` and `reward_func.py` are the two files that OpenRLHF is given by path; the other modules are theirs.
docs/openrlhf.md says which to choose.
"""
