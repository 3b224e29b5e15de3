"""Settings of the whole test run. Options and fixtures of parity tests come from `parity/pytest_plugin.py`."""

from hypothesis import settings

# Deterministic everywhere: a red test must be red again when it is run again.
settings.register_profile("parity", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("parity")
