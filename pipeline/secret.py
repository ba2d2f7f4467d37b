"""Secrets by the place where they lie. They are read when they are needed, and never held."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import Error

_LARGEST_SECRET: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret lies: in a variable of the environment, or in a file."""

    env: str = ""
    file: Path | None = None

    def read(self) -> str:
        """The secret. Raises :class:`Error`, which names its place and nothing of it."""
        if self.file is None:
            found = os.environ.get(self.env, "")
            if not found:
                raise Error(f"the variable {self.env} is not set", hint="set it for this process")
            return found
        try:
            with self.file.open("rb") as stream:
                text = stream.read(_LARGEST_SECRET).decode()
        except (OSError, UnicodeDecodeError):
            raise Error("the file of a secret cannot be read", where=str(self.file)) from None
        if not text.strip():
            raise Error("the file of a secret is empty", where=str(self.file))
        return text.strip()

    def __str__(self) -> str:
        return f"env {self.env}" if self.file is None else f"file {self.file.name}"
