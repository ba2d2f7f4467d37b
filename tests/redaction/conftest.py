"""The fixtures of the command line."""

from __future__ import annotations

from tests.cli.conftest import _one_run, finished, portproof

__all__ = ["_one_run", "finished", "portproof"]
