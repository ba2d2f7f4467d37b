"""The fixtures of the command line, and fake scanners."""

from __future__ import annotations

from tests.cli.conftest import _one_run, finished, portproof, service
from tests.faults.fakes import fake

__all__ = ["_one_run", "fake", "finished", "portproof", "service"]
