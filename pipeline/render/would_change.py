"""What other evidence would change a verdict, by the code of its reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pipeline.decide import reasons

_REFUSAL: Final = "a refusal (RST) by a method that found it open would make it `transient`"
_CONTROL: Final = "a control port that answers would make it an `artefact`"
_ELSEWHERE: Final = "another vantage may see something else"

WOULD_CHANGE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        reasons.SERVICE_SPOKE: (
            _REFUSAL,
            "control ports that say the same words would make it an `artefact`",
        ),
        reasons.SERVICE_IDENTIFIED: (
            _REFUSAL,
            "connections that never complete again would leave it in doubt",
        ),
        reasons.ACKNOWLEDGED: (
            _REFUSAL,
            _CONTROL,
            "words of the service, or a version probe that identifies it, would make it surer",
        ),
        reasons.CLOSED_AFTER_HANDSHAKE: (_REFUSAL, _CONTROL),
        reasons.SILENT_LISTENER: (
            "words, an acknowledgement or an identified service would make it `confirmed`; a "
            "profile with `handshake_speaks: true` asks for them",
            _REFUSAL,
        ),
        reasons.UNLIKE_CONTROLS: (
            "words of its own, or a version probe that identifies the service, would make it "
            "`confirmed`",
            "control ports that are seen to hold connections, too, would make it an `artefact`",
            _REFUSAL,
        ),
        reasons.REJECTED: (
            "words, an acknowledgement or an identified service would make it `confirmed`",
            "a reset before we say anything would make it an `artefact`",
            _REFUSAL,
        ),
        reasons.NOT_LISTENED: (
            "one handshake after which somebody listens would settle it",
            _REFUSAL,
        ),
        reasons.ONE_METHOD: (
            "an open answer to a second method, after a handshake, would make it `confirmed`",
            "a refusal by another method would make it `refuted` or `unresolved`",
        ),
        reasons.NO_CONTROL: (
            "control ports that refuse would make it `confirmed`; a profile with `control_ports` "
            "above 0 asks them",
            _CONTROL,
        ),
        reasons.HANDSHAKE_MISSING: (
            "a handshake that completes, and a word after it, would make it `confirmed`",
            "a handshake that is refused would make it `unresolved` or `refuted`",
        ),
        reasons.OPEN_THEN_CLOSED: (
            "nothing in this run: what was both open and closed stays so",
            "the next run tells whether it still comes and goes; the host's own logs tell why",
        ),
        reasons.HOST_CHANGES: (
            "nothing in this run: what was both open and closed stays so",
            "a run in which the host answers alike all the time judges each port by itself",
            _ELSEWHERE,
        ),
        reasons.LOAD_BALANCED: (
            "nothing in this run: the connections were made at the same moment",
            "asking each machine behind the address on its own would tell which of them serve",
        ),
        reasons.ANSWERED_ON_PATH: (
            "an answer that travelled as far as the host's own refusals would speak for a service",
            "a look from behind the device, or on the host, would settle it",
        ),
        reasons.BLOCKED: (
            "any answer while the host can be believed; `portproof resume`, or a slower run, asks "
            "again",
        ),
        reasons.CONTROL_PORTS_ANSWER: (
            "words of its own that the control ports do not say, together with a version probe "
            "that identifies the service",
            "control ports that refuse",
            _ELSEWHERE,
        ),
        reasons.RESET_AFTER_HANDSHAKE: (
            "words, or a version probe that identifies a service",
            _ELSEWHERE,
        ),
        reasons.NEVER_ACKNOWLEDGED: ("an acknowledgement, or words", _ELSEWHERE),
        reasons.HANDSHAKE_NEVER_COMPLETES: (
            "one connection that completes: a full backlog looks the same",
            _ELSEWHERE,
        ),
        reasons.CLOSED_WHEN_ASKED_AGAIN: (
            "an open answer to any later method would make it `unresolved` or `transient`",
        ),
        reasons.REFUSED: ("an open answer to any method",),
        reasons.ANSWERED_IN_PROTOCOL: (
            "a port-unreachable of the host, heard by a method that got a reply before",
            "control ports that reply as well would make it an `artefact`",
        ),
        reasons.REPLY_NOT_UNDERSTOOD: (
            "a reply to a request of portproof's own in the protocol of the port would make it "
            "`confirmed`",
            "a port-unreachable of the host",
        ),
        reasons.OPEN_OR_FILTERED: (
            "any reply would make it `likely` or `confirmed`",
            "a port-unreachable of the host would make it `refuted`",
        ),
        reasons.NO_ANSWER: (
            "an open answer would make it `likely` at least, a refusal would make it `refuted`",
        ),
        reasons.ICMP_REFUSED: ("an open answer, or a refusal of the host itself", _ELSEWHERE),
        reasons.METHODS_DISAGREE: (
            "methods that agree: a refusal by the ones that found it open would make it "
            "`transient`, open answers by the others would confirm it",
            "a look at the host",
        ),
        reasons.NOT_ASKED: ("asking: `portproof resume` goes on with a run that was cut short",),
        reasons.GAVE_UP: ("asking with more patience: another profile, or a lower rate",),
    }
)
"""What other evidence would do, by reason code."""
