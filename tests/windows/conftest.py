"""How the property tests of this folder run."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no bug: how long one example takes is not what is tested.
settings.register_profile("portproof", deadline=None)
settings.load_profile("portproof")
