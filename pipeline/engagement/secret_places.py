"""Where a secret lies, as an engagement says it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from pipeline.engagement.source import source_of
from pipeline.secret import Secret

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECRET_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}


def _secret(value: object, info: ValidationInfo) -> Secret:
    # Whatever stands here may be the secret itself: no message repeats it.
    what = (
        "must be {env: NAME} or {file: PATH}; a secret itself has no place in this file "
        "(got what is not repeated here)"
    )
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(what)
    ((key, place),) = value.items()
    if not isinstance(place, str) or not place.isprintable() or not place:
        raise ValueError(what)
    match key:
        case "env" if _NAME.fullmatch(place):
            return Secret(env=place)
        case "file":
            return Secret(file=(source_of(info).door.folder / place).absolute())
        case _:
            raise ValueError(what)


SecretPlace = Annotated[Secret, PlainValidator(_secret), WithJsonSchema(_SECRET_SCHEMA)]
