"""The signatures of known artefacts, from ``configs/artefacts.yml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator

from pipeline import resources
from pipeline.decide.reasons import EXPLANATIONS
from pipeline.decide.signatures import Signature
from pipeline.engagement import kinds
from pipeline.engagement.kinds import PlainPorts, Strict
from pipeline.engagement.source import LARGEST_YAML, Door, Reported, Source, read_limited
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.errors import EngagementError
from pipeline.model import Aftermath
from pipeline.ports import PortSet

_LONGEST: Final = 400


def _reason(text: str) -> str:
    if text not in EXPLANATIONS:
        raise ValueError(f"is no reason code{did_you_mean(text, EXPLANATIONS)} (got {shown(text)})")
    return text


def _aftermath(text: str) -> Aftermath:
    if text not in tuple(Aftermath):
        raise ValueError(f"follows no handshake{did_you_mean(text, Aftermath)} (got {shown(text)})")
    return Aftermath(text)


_Text = Annotated[str, Field(min_length=1, max_length=_LONGEST)]


class SignatureDocument(Strict):
    """What one kind of artefact looks like."""

    id: kinds.Name
    title: _Text
    what: _Text
    reasons: list[Annotated[str, kinds.text_of(_reason)]] = Field(min_length=1)
    sources: list[_Text] = Field(min_length=1)
    aftermath: list[Annotated[Aftermath, kinds.text_of(_aftermath)]] = Field(default_factory=list)
    same_banner: bool = False
    ports: PlainPorts = Field(default_factory=list)
    least: Annotated[int, Field(ge=0)] = 0
    open_share: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _least_of_the_ports(self) -> Self:
        if self.least > sum(len(ports) for ports in self.ports):
            raise ValueError("asks for more ports than it names")
        return self

    def value(self) -> Signature:
        """The signature as a plain value."""
        return Signature(
            id=self.id,
            title=self.title,
            what=self.what,
            reasons=frozenset(self.reasons),
            sources=tuple(self.sources),
            aftermaths=frozenset(self.aftermath),
            same_banner=self.same_banner,
            ports=PortSet.from_ranges(r for ports in self.ports for r in ports.ranges),
            least=self.least,
            open_share=self.open_share,
        )


class SignaturesDocument(Strict):
    """A file of signatures."""

    signatures: list[SignatureDocument] = Field(min_length=1, max_length=200)

    @field_validator("signatures")
    @classmethod
    def _each_id_once(cls, signatures: list[SignatureDocument]) -> list[SignatureDocument]:
        known: set[str] = set()
        for signature in signatures:
            if signature.id in known:
                raise ValueError(f"has the id {shown(signature.id)} twice")
            known.add(signature.id)
        return signatures


def read_signatures(path: Path) -> tuple[Signature, ...]:
    """Read a file of signatures. Raises :class:`EngagementError` with every mistake in it."""
    door = Door(folder=path.parent)
    data = read_limited(path, LARGEST_YAML)
    try:
        document = Source(door=door, path=path).validate(SignaturesDocument, data)
    except Reported:
        raise EngagementError(tuple(door.mistakes)) from None
    return tuple(signature.value() for signature in document.signatures)


@cache
def our_signatures() -> tuple[Signature, ...]:
    """Those that come with portproof."""
    return read_signatures(resources.folder("configs") / "artefacts.yml")
