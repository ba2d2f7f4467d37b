"""The reason codes of verdicts and changes, each with the sentence a reader of a report sees."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SERVICE_SPOKE: Final = "service-spoke"
SERVICE_IDENTIFIED: Final = "service-identified"
ACKNOWLEDGED: Final = "acknowledged"
CLOSED_AFTER_HANDSHAKE: Final = "closed-after-handshake"
SILENT_LISTENER: Final = "silent-listener"
ONE_METHOD: Final = "one-method"
NO_CONTROL: Final = "no-control"
HANDSHAKE_MISSING: Final = "handshake-missing"
UNLIKE_CONTROLS: Final = "unlike-controls"
REJECTED: Final = "rejected"
NOT_LISTENED: Final = "not-listened"
OPEN_THEN_CLOSED: Final = "open-then-closed"
HOST_CHANGES: Final = "host-changes"
LOAD_BALANCED: Final = "load-balanced"
ANSWERED_ON_PATH: Final = "answered-on-path"
BLOCKED: Final = "blocked"
ANSWERED_IN_PROTOCOL: Final = "answered-in-protocol"
REPLY_NOT_UNDERSTOOD: Final = "reply-not-understood"
OPEN_OR_FILTERED: Final = "open-or-filtered"
CONTROL_PORTS_ANSWER: Final = "control-ports-answer"
RESET_AFTER_HANDSHAKE: Final = "reset-after-handshake"
NEVER_ACKNOWLEDGED: Final = "never-acknowledged"
HANDSHAKE_NEVER_COMPLETES: Final = "handshake-never-completes"
CLOSED_WHEN_ASKED_AGAIN: Final = "closed-when-asked-again"
REFUSED: Final = "refused"
NO_ANSWER: Final = "no-answer"
ICMP_REFUSED: Final = "icmp-refused"
METHODS_DISAGREE: Final = "methods-disagree"
NOT_ASKED: Final = "not-asked"
GAVE_UP: Final = "gave-up"

EXPLANATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        SERVICE_SPOKE: "Two independent methods found it open, and the service sent data after a "
        "completed handshake.",
        SERVICE_IDENTIFIED: "Two independent methods found it open, and a version probe got an "
        "answer that only this service gives.",
        ACKNOWLEDGED: "Two independent methods found it open; the service kept silent but "
        "acknowledged what was sent, and ports that nobody named do not answer on this host.",
        CLOSED_AFTER_HANDSHAKE: "Two independent methods found it open; the service accepted the "
        "connection and ended it without a word, and ports that nobody named do not answer on "
        "this host.",
        SILENT_LISTENER: "The handshake completes, but nothing was sent that could have been "
        "acknowledged, so nobody proved to be there.",
        ONE_METHOD: "One method found it open; the others got no answer, so nothing contradicts "
        "it, and nothing supports it either.",
        NO_CONTROL: "The handshake completes, but no control port of this host could be asked, so "
        "a device that answers for every port is not ruled out.",
        HANDSHAKE_MISSING: "Scans found it open, but no completed handshake is on record.",
        UNLIKE_CONTROLS: "Ports that nobody named answer on this host, too, but there nobody is "
        "behind the answer, and here somebody is: most likely a service behind a device that "
        "answers for everything.",
        REJECTED: "The handshake completes, and what we then sent was answered with a reset: an "
        "application that closes, or a device whose first reset was lost.",
        NOT_LISTENED: "Handshakes completed, but only in passing: none is on record after which "
        "somebody stayed to listen.",
        OPEN_THEN_CLOSED: "The same method found it open at one time and closed at another.",
        HOST_CHANGES: "Ten or more ports of this host were open and closed at different times: "
        "something answers for the whole host at times, so an open port proves nothing then.",
        LOAD_BALANCED: "Of several connections at the same moment some were accepted and others "
        "refused: more than one machine answers for it, and not on all of them it is open.",
        ANSWERED_ON_PATH: "Its answers come from nearer than the host's own refusals (their time "
        "to live tells): a device on the path answers for it.",
        CONTROL_PORTS_ANSWER: "Ports that nobody named answer on this host in the same way: "
        "something on the path answers, not the service.",
        RESET_AFTER_HANDSHAKE: "The handshake completes and is reset at once: something on the "
        "path completes it for a service that is not there.",
        NEVER_ACKNOWLEDGED: "The handshake completes, but nothing that was sent is ever "
        "acknowledged: a tarpit, or a device that only pretends.",
        HANDSHAKE_NEVER_COMPLETES: "SYN scans get an answer, but no handshake ever completes.",
        CLOSED_WHEN_ASKED_AGAIN: "Discovery named it open; every later method was refused.",
        REFUSED: "It was expected to be open, was refused, and no method found it open.",
        ANSWERED_IN_PROTOCOL: "Two methods got a reply by UDP, and one reply answers a request of "
        "portproof's own in the protocol of the port.",
        REPLY_NOT_UNDERSTOOD: "Several methods got a reply by UDP, but none that answers a request "
        "of portproof's own in the protocol of the port.",
        OPEN_OR_FILTERED: "It was expected to be open, and by UDP nobody answered: a service that "
        "keeps silent and a filter look alike.",
        NO_ANSWER: "It was expected to be open, and no method got an answer.",
        ICMP_REFUSED: "A firewall or router refused the probes with an ICMP message.",
        METHODS_DISAGREE: "The re-scans are used up and the methods still disagree.",
        BLOCKED: "It was asked only while the host dropped us, turned us away or deceived us: that "
        "is no evidence.",
        NOT_ASKED: "Nobody asked: there is no evidence.",
        GAVE_UP: "The tool gave up on it: there is no evidence.",
    }
)


def explain(code: str) -> str:
    """The sentence for a reason code; the code itself when it has none (an imported verdict)."""
    return EXPLANATIONS.get(code, code)
