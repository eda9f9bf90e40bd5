"""Examples may take their time: how long one takes says more about the machine's other work than about the code."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
