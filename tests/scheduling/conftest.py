"""The command line and the finished run are those of its own tests."""

from tests.cli.conftest import _one_run, finished, portproof

__all__ = ["_one_run", "finished", "portproof"]
