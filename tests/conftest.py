"""For all tests: examples may take as long as they like, a busy machine is no failure.

`make test` holds every change against the same examples (profile `gate`), so that it fails by its
own faults only; `make soak` looks for new ones.
"""

from hypothesis import settings

settings.register_profile("parkpulse", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("parkpulse")
