"""One YAML file at the door: its mistakes, and the way from a model's error to a line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from pipeline.engagement import nodes
from pipeline.engagement.values import SourceFile
from pipeline.engagement.wording import did_you_mean, printable, shown
from pipeline.errors import Mistake

LARGEST_YAML: Final = 1 << 20
"""Bytes of an engagement or a profile."""

LARGEST_ATTACHMENT: Final = 64 << 20
"""Bytes of an authorisation document."""

TAGS: Final = frozenset(
    {
        *("<text>", "<host>", "<file>", "<ports>", "<protocols>", "<one>", "<several>", "<zones>"),
        *("<syslog>", "<search>", "<splunk>", "<webhook>", "<defectdojo>"),
    }
)
"""The branches of unions in the models, by the kind of entry that they are for."""

_Model = TypeVar("_Model", bound=BaseModel)

# Sentences for the errors of pydantic that a file can cause; the others keep pydantic's own.
_SENTENCES: Final = {
    "missing": "is missing",
    "string_type": "must be text{quotes}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list, [in brackets] or with dashes",
    "model_type": "must be a mapping of keys to values",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must not be empty",
}


class Reported(ValueError):
    """Makes a value invalid whose mistakes have been filed one by one."""


@dataclass(slots=True, kw_only=True)
class Door:
    """What comes in together: one engagement and the files that it names.

    ``folder`` is the engagement's, as it was named; ``files`` were read and ``mistakes`` found.
    """

    folder: Path
    mistakes: list[Mistake] = field(default_factory=list)
    files: list[SourceFile] = field(default_factory=list)

    def admit(self, path: Path, data: bytes) -> str:
        """Note the file and return its text. Bytes that are not UTF-8 are a mistake."""
        digest = hashlib.sha256(data).hexdigest()
        self.files.append(SourceFile(path=path.absolute(), sha256=digest))
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            before = data[: problem.start].decode("utf-8-sig", errors="replace")
            place = nodes.place_of(before, len(before))
            self.complain(path, place, f"the byte 0x{data[problem.start]:02x} is not UTF-8")
            raise Reported from None

    def attach(self, name: str) -> SourceFile:
        """Hash a file beside the engagement. Raises ``ValueError`` when it cannot be read."""
        path = self.folder / name
        data = read_limited(path, LARGEST_ATTACHMENT)
        if len(data) > LARGEST_ATTACHMENT:
            raise ValueError(f"is larger than {LARGEST_ATTACHMENT >> 20} MiB (got {shown(name)})")
        found = SourceFile(path=path.absolute(), sha256=hashlib.sha256(data).hexdigest())
        self.files.append(found)
        return found

    def complain(self, path: Path, place: nodes.Place, what: str, at: nodes.Path = ()) -> None:
        """File one mistake."""
        self.mistakes.append(
            Mistake(
                file=printable(str(path)),
                line=place.line,
                column=place.column,
                field=nodes.dotted(at),
                what=printable(what),
            )
        )


@dataclass(slots=True, kw_only=True)
class Source:
    """One YAML file. Validators find it as the context of the validation: :func:`source_of`."""

    door: Door
    path: Path
    root: nodes.Node = field(init=False)

    def validate(self, model: type[_Model], data: bytes) -> _Model:
        """Read the file into the model. Raises :class:`Reported` once all mistakes are filed."""
        before = len(self.door.mistakes)
        if len(data) > LARGEST_YAML:
            what = "is larger than 1 MiB; put long lists into a text file: {file: targets.txt}"
            self.door.complain(self.path, nodes.Place(line=1, column=1), what)
            raise Reported
        text = self.door.admit(self.path, data)
        root, mistakes = nodes.read(text, printable(str(self.path)))
        self.door.mistakes.extend(mistakes)
        if root is None or not isinstance(root.value, dict):
            self._complain_about_form(root, mistakes)
            raise Reported
        self.root = root
        try:
            found = model.model_validate(root.plain(), context=self)
        except ValidationError as problem:
            for error in problem.errors(include_url=False):
                self._translate(model, error)
            raise Reported from None
        if len(self.door.mistakes) > before:
            raise Reported
        return found

    def complain(self, at: nodes.Path, what: str) -> None:
        """File a mistake about the value at a path, at the place where that value stands."""
        node, known = self.root.find(at)
        self.door.complain(self.path, node.place, what, known)

    def place(self, at: nodes.Path) -> nodes.Place:
        """Where the value at a path stands."""
        return self.root.find(at)[0].place

    def _complain_about_form(self, root: nodes.Node | None, mistakes: tuple[Mistake, ...]) -> None:
        if mistakes:
            return
        place = root.place if root else nodes.Place(line=1, column=1)
        got = shown(root.plain()) if root else "an empty file"
        self.door.complain(self.path, place, f"must be a mapping of keys to values (got {got})")

    def _translate(self, model: type[BaseModel], error: ErrorDetails) -> None:
        """File what pydantic found, unless it has been filed already."""
        if isinstance(error.get("ctx", {}).get("error"), Reported):
            return
        loc = error["loc"]
        if error["type"] == "extra_forbidden":
            at = (*_untagged(loc[:-1]), *loc[-1:])
            hint = did_you_mean(str(loc[-1]), _known_keys(model, loc[:-1]))
            self.door.complain(self.path, self.root.find(at)[0].key, f"is not a key here{hint}", at)
            return
        at = _untagged(loc)
        node, found = self.root.find(at)
        if node.broken:
            return
        if error["type"] == "missing":
            place = node.key if found else self.root.place
            self.door.complain(self.path, place, "is missing", at)
        else:
            self.door.complain(self.path, node.heading, _sentence(error), found)


def _untagged(loc: nodes.Path) -> nodes.Path:
    """Where pydantic means: the tags of unions stand in its paths, too."""
    return tuple(step for step in loc if step not in TAGS)


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, at most one more than ``limit``.

    Raises ``ValueError`` with a sentence when there is no such file, or it cannot be read.
    """
    name = f"'{printable(str(path), 200)}'"
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise ValueError(f"{name} is not a regular file")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except FileNotFoundError:
        raise ValueError(f"there is no file {name}") from None
    except OSError as problem:
        raise ValueError(f"cannot read {name}: {problem.strerror}") from None


def source_of(info: ValidationInfo) -> Source:
    """The file that is being validated."""
    source = info.context
    assert isinstance(source, Source)
    return source


def _sentence(error: ErrorDetails) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "value_error":
        what = str(context.get("error", error["msg"]))
    else:
        quotes = "; put it in quotes" if isinstance(error["input"], int | float) else ""
        pattern = _SENTENCES.get(error["type"])
        what = pattern.format(quotes=quotes, **context) if pattern else error["msg"]
    # Some sentences quote the value already, and a whole section would tell nothing.
    if "'" in what or "(got" in what or isinstance(error["input"], dict):
        return what
    return f"{what} (got {shown(error['input'])})"


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> set[str]:
    models = {model}
    for step in path:
        if isinstance(step, str) and step not in TAGS:
            fields = [found.model_fields[step] for found in models if step in found.model_fields]
            models = {inner for known in fields for inner in _models_in(known.annotation)}
    return {name for found in models for name in found.model_fields}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
