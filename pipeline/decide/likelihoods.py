"""How likely each answer is under each explanation of an endpoint: the tables behind a confidence.

A *hypothesis* is what a reader wants to know about an endpoint; an *explanation* is one way for it
to be true. There are two ways to be a service and two to be a pretender, because the control ports
of a host tell them apart: a box that answers for every port, or one that answers at this port only.

Every row says where its numbers come from. ``measured`` are the classes of hosts on which the
methods were compared side by side in the lab, each class counted alike; ``loss`` is the arithmetic
of dropped packets and of filters that drop; ``judgement`` is what neither tells, on the cautious
side. ``fixtures/refit.py`` prints the same numbers as they come out of lab runs.

Under every explanation the answers that one method can give add up to 1. Two more rules keep the
laws of ``confidence.py``, and tests hold the tables to them: a completed connection is never less
likely for a service than for anything but what it gives away, and nobody refuses less often than a
service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pipeline.model import Aftermath, Method, Observation, PortState


class Hypothesis(StrEnum):
    """What an endpoint can be."""

    SERVICE = "service"
    """A service listens steadily."""
    NOTHING = "nothing"
    """Closed, or filtered for us."""
    PRETENDER = "pretender"
    """Something on the path answers, or a catch-all, and no service of this endpoint."""
    UNSTEADY = "unsteady"
    """It comes and goes, or answers differently from one connection to the next."""


class Explanation(StrEnum):
    """How a hypothesis can be true."""

    DIRECT = "direct"
    """A service that answers for itself."""
    FRONTED = "fronted"
    """A service behind a box that completes handshakes for every port of its host."""
    EVERYWHERE = "everywhere"
    """A catch-all, a SYN proxy or a tarpit: it answers for every port of the host."""
    HERE_ONLY = "here-only"
    """A box that answers for this port and leaves the others to the host."""
    NOTHING = "nothing"
    UNSTEADY = "unsteady"


class Heard(StrEnum):
    """What one observation heard."""

    OPEN = "open"
    """An answer as if open, and nothing more to tell by."""
    OWN_WORDS = "own-words"
    """Data after the handshake that no control port of the host sent."""
    SAME_WORDS = "same-words"
    """Data after the handshake, the same that a control port sent."""
    ENDED = "ended"
    """An orderly end of the connection without a word."""
    REJECTED = "rejected"
    """A reset in answer to our newline."""
    ACKNOWLEDGED = "acknowledged"
    """Silence, and our newline was acknowledged."""
    RESET = "reset"
    """A reset before we said anything."""
    UNACKNOWLEDGED = "unacknowledged"
    """Silence, and our newline was never acknowledged."""
    IDENTIFIED = "identified"
    """A version probe got an answer that only one kind of service gives."""
    WRAPPED = "wrapped"
    """nmap's ``tcpwrapped``: closed before the version probe got a word."""
    TURNS = "turns"
    """Of connections at the same moment some were accepted and some refused."""
    REFUSED = "refused"
    """A reset in answer to the first packet, or the operating system's "connection refused"."""
    PROHIBITED = "prohibited"
    """An ICMP refusal by somebody on the path."""
    SILENT = "silent"
    """No answer."""


EXPLAINS: Final[Mapping[Explanation, Hypothesis]] = MappingProxyType(
    {
        Explanation.DIRECT: Hypothesis.SERVICE,
        Explanation.FRONTED: Hypothesis.SERVICE,
        Explanation.EVERYWHERE: Hypothesis.PRETENDER,
        Explanation.HERE_ONLY: Hypothesis.PRETENDER,
        Explanation.NOTHING: Hypothesis.NOTHING,
        Explanation.UNSTEADY: Hypothesis.UNSTEADY,
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """The chance of one answer under each explanation, and where the numbers come from."""

    direct: float
    fronted: float
    everywhere: float
    here_only: float
    nothing: float
    unsteady: float
    source: str

    @property
    def chances(self) -> Mapping[Explanation, float]:
        """The same by explanation."""
        return dict(
            zip(
                Explanation,
                (
                    self.direct,
                    self.fronted,
                    self.everywhere,
                    self.here_only,
                    self.nothing,
                    self.unsteady,
                ),
                strict=True,
            )
        )


PRIOR: Final = Row(
    0.60,
    0.01,
    0.15,
    0.02,
    0.21,
    0.01,
    "judgement: what becomes of endpoints that a sweep or an earlier run named, on networks where "
    "a few hosts answer for every port",
)
"""What an endpoint that somebody named is, before its own evidence is heard."""

_LOSS: Final = (
    "loss: 1 % is asked again and hardly shows; the rest are slow paths, limits and filters that "
    "are picky about the kind of packet, which in the measured classes hid 12 % of the open ports"
)
_NO_REFUSAL: Final = (
    "measured: in a run with loss no service refused in a thousand answers. Judgement: a filter "
    "that sets in during the scan can"
)
_ICMP: Final = "judgement: filters mostly drop; an ICMP refusal of an open port is a rare policy"
_OPEN: Final = (
    "measured: a listener, a SYN proxy, a tarpit and a catch-all answer a SYN alike, every time"
)


def _common(open_of_nothing: float) -> dict[Heard, Row]:
    """The answers that mean the same to every method, loss included."""
    closed = 0.45 - open_of_nothing
    return {
        Heard.REFUSED: Row(0.0005, 0.0005, 0.0005, 0.0005, closed, 0.20, _NO_REFUSAL),
        Heard.PROHIBITED: Row(0.0105, 0.0105, 0.0105, 0.0105, 0.10, 0.03, _ICMP),
        Heard.SILENT: Row(0.12, 0.12, 0.12, 0.12, 0.45, 0.22, _LOSS),
    }


def _scan(open_of_nothing: float, why: str) -> Mapping[Heard, Row]:
    both = f"{_OPEN}; of nothing: {why}"
    row = Row(0.869, 0.869, 0.869, 0.869, open_of_nothing, 0.55, both)
    return MappingProxyType({Heard.OPEN: row, **_common(open_of_nothing)})


_HANDSHAKE: Final[Mapping[Heard, Row]] = MappingProxyType(
    {
        Heard.OWN_WORDS: Row(
            *(0.511, 0.511, 0.015, 0.05, 0.0001, 0.30),
            "measured: behind a SYN proxy only the real services spoke; a catch-all and a tarpit "
            "never did; a transparent proxy may",
        ),
        Heard.SAME_WORDS: Row(
            *(0.015, 0.015, 0.20, 0.015, 0.0001, 0.01),
            "judgement: one greeting on every port is a catch-all's; two services rarely share one",
        ),
        Heard.ENDED: Row(
            *(0.09, 0.09, 0.06, 0.05, 0.0002, 0.07),
            "judgement: wrappers accept and close; so do some catch-alls",
        ),
        Heard.REJECTED: Row(
            *(0.04, 0.04, 0.03, 0.02, 0.0001, 0.03),
            "judgement: an application that closes without reading",
        ),
        Heard.ACKNOWLEDGED: Row(
            *(0.204, 0.204, 0.204, 0.04, 0.0002, 0.12),
            "measured: what listens in silence acknowledges, a catch-all as much as a service",
        ),
        Heard.RESET: Row(
            *(0.004, 0.004, 0.20, 0.594, 0.0002, 0.015),
            "measured: a SYN proxy without a back end, and a box that resets after the handshake, "
            "did it every time; no service did",
        ),
        Heard.UNACKNOWLEDGED: Row(
            *(0.005, 0.005, 0.16, 0.10, 0.0001, 0.005),
            "measured: a tarpit did it every time; no service did. Loss: of our newline and all "
            "of its repeats",
        ),
        Heard.OPEN: Row(
            *(0.869, 0.869, 0.869, 0.869, 0.001, 0.55),
            "nothing was sent, so nothing could tell them apart: as a scan",
        ),
        Heard.TURNS: Row(
            *(0.00001, 0.00001, 0.00001, 0.00001, 0.00001, 0.30),
            "judgement: back ends that take turns do it nearly always, what flaps hardly ever; "
            "what is steady would have to refuse twice within a moment",
        ),
        **_common(0.001),
    }
)
_VERSION: Final[Mapping[Heard, Row]] = MappingProxyType(
    {
        Heard.IDENTIFIED: Row(
            *(0.60, 0.60, 0.08, 0.35, 0.0001, 0.36),
            "measured: in a run with loss 84 % of the services were. Judgement: a captive portal "
            "and a transparent proxy speak real HTTP, and are recognised as what they are",
        ),
        Heard.WRAPPED: Row(
            *(0.13, 0.13, 0.65, 0.38, 0.0002, 0.09),
            "judgement: boxes that complete handshakes say nothing, or close; some services do too",
        ),
        Heard.OPEN: Row(
            *(0.139, 0.139, 0.139, 0.139, 0.0007, 0.10),
            "judgement: open and not recognised tells as much as a connect scan",
        ),
        **_common(0.001),
    }
)
_UDP: Final[Mapping[Heard, Row]] = MappingProxyType(
    {
        Heard.OPEN: Row(
            *(0.439, 0.439, 0.439, 0.439, 0.001, 0.25), "judgement: a UDP service that replied"
        ),
        Heard.REFUSED: Row(
            *(0.001, 0.001, 0.001, 0.001, 0.349, 0.17), "judgement: ICMP port unreachable"
        ),
        Heard.PROHIBITED: Row(0.01, 0.01, 0.01, 0.01, 0.10, 0.03, _ICMP),
        Heard.SILENT: Row(
            *(0.55, 0.55, 0.55, 0.55, 0.55, 0.55),
            "nmap(1): open|filtered, so silence tells nothing",
        ),
    }
)
_DATAGRAM: Final[Mapping[Heard, Row]] = MappingProxyType(
    {
        **_UDP,
        Heard.OWN_WORDS: Row(
            *(0.42, 0.42, 0.05, 0.40, 0.0005, 0.24),
            "judgement: without a handshake only words tell, and a box that answers for one port "
            "sends them too",
        ),
        Heard.SAME_WORDS: Row(
            *(0.019, 0.019, 0.389, 0.039, 0.0005, 0.01),
            "judgement: one reply on every port is a catch-all's",
        ),
    }
)

TABLE: Final[Mapping[Method, Mapping[Heard, Row]]] = MappingProxyType(
    {
        Method.MASSCAN_SYN: _scan(
            0.02, "judgement: phantom hits are reported by users, none was measured"
        ),
        Method.NMAP_SYN: _scan(0.002, "judgement: none was measured"),
        Method.NMAP_CONNECT: _scan(0.001, "judgement: a connection needs a partner"),
        Method.HANDSHAKE: _HANDSHAKE,
        Method.NMAP_VERSION: _VERSION,
        Method.NMAP_UDP: _UDP,
        Method.DATAGRAM: _DATAGRAM,
        Method.IMPORTED: _scan(0.05, "judgement: a record of others, of unknown age and care"),
    }
)

_HOST_HAS_CLOSED_PORTS: Final = "measured: hosts with closed ports refuse or drop at random ports"
_HOST_ANSWERS_ALL: Final = "measured: catch-alls, SYN proxies and tarpits answered at every port"
CONTROLS: Final[Mapping[Heard, Row]] = MappingProxyType(
    {
        Heard.OPEN: Row(0.01, 0.90, 0.90, 0.01, 0.01, 0.01, _HOST_ANSWERS_ALL),
        Heard.REFUSED: Row(0.55, 0.02, 0.02, 0.55, 0.55, 0.55, _HOST_HAS_CLOSED_PORTS),
        Heard.SILENT: Row(0.44, 0.08, 0.08, 0.44, 0.44, 0.44, _HOST_HAS_CLOSED_PORTS),
    }
)
"""What the control ports of the host do: ports that nobody named."""

_TTL: Final = (
    "measured: a proxy on the path answered with a TTL one higher than the host behind it, every "
    "time. Judgement: ports that are forwarded come from farther away, not from nearer"
)
TTL_NEARER: Final = Row(0.001, 0.30, 0.30, 0.90, 0.001, 0.005, _TTL)
"""That the answers of this endpoint come from nearer than those of the rest of its host."""

_MUTE: Final = (
    "measured: control ports behind a SYN proxy were reset or never acknowledged, every time, and "
    "only services acknowledged. Judgement: a tarpit is no different from port to port"
)
UNLIKE_CONTROLS: Final = Row(0.50, 0.90, 0.02, 0.50, 0.50, 0.50, _MUTE)
"""That this endpoint acknowledges a newline, and no control port that answers does."""

ICMP_REASONS: Final = frozenset(
    {"admin-prohibited", "host-prohibited", "net-prohibited", "communication-prohibited"}
    | {"host-unreach", "net-unreach", "port-unreach", "proto-unreach", "dest-unreach"}
    | {"no-route", "beyond-scope", "reject-route", "time-exceeded"}
)
"""nmap's reasons that mean an ICMP refusal."""

TAKES_TURNS: Final = "some-refused"
"""The reason of an observation that counts several connections of the same moment."""

_CONNECTIONLESS: Final = frozenset({Method.NMAP_UDP, Method.DATAGRAM})
_LISTENING: Final = frozenset({Method.HANDSHAKE, Method.DATAGRAM})
_AFTERMATHS: Final[Mapping[Aftermath, Heard]] = MappingProxyType(
    {
        Aftermath.DATA: Heard.OWN_WORDS,
        Aftermath.CLOSED: Heard.ENDED,
        Aftermath.RESET: Heard.RESET,
        Aftermath.REJECTED: Heard.REJECTED,
        Aftermath.ACKNOWLEDGED: Heard.ACKNOWLEDGED,
        Aftermath.UNACKNOWLEDGED: Heard.UNACKNOWLEDGED,
        Aftermath.SILENCE: Heard.OPEN,
    }
)


def heard_in(observation: Observation, control_banners: Iterable[str] = ()) -> Heard | None:
    """What an observation heard; ``None`` where it tells nothing, as does silence over UDP.

    ``control_banners`` are the words that control ports of the same host sent.
    """
    match observation.state:
        case PortState.CLOSED:
            return Heard.REFUSED
        case PortState.FILTERED:
            if observation.reason in ICMP_REASONS:
                return Heard.PROHIBITED
            return None if observation.method in _CONNECTIONLESS else Heard.SILENT
        case PortState.OPEN:
            return _heard_open(observation, control_banners)
        case _:
            return None


def _heard_open(observation: Observation, control_banners: Iterable[str]) -> Heard:
    if observation.method is Method.NMAP_VERSION:
        service = observation.service
        if service is None or service.method != "probed" or not service.name:
            return Heard.OPEN
        return Heard.WRAPPED if service.name == "tcpwrapped" else Heard.IDENTIFIED
    if observation.reason == TAKES_TURNS and Heard.TURNS in TABLE[observation.method]:
        return Heard.TURNS
    if observation.method not in _LISTENING or observation.aftermath is None:
        return Heard.OPEN
    heard = _AFTERMATHS[observation.aftermath]
    if heard is Heard.OWN_WORDS and observation.banner in control_banners:
        heard = Heard.SAME_WORDS
    return heard if heard in TABLE[observation.method] else Heard.OPEN


def answers_of(method: Method) -> Mapping[Hypothesis, Mapping[Heard, float]]:
    """The chances of each answer of a method under each hypothesis; each adds up to 1.

    The explanations of a hypothesis are weighed by their prior. The handshake is a single one, and
    speaks.
    """
    rows = {
        heard: row
        for heard, row in TABLE[method].items()
        if method not in _LISTENING or heard not in (Heard.OPEN, Heard.TURNS)
    }
    prior = PRIOR.chances
    chances: dict[Hypothesis, Mapping[Heard, float]] = {}
    for hypothesis in Hypothesis:
        ways = [way for way, of in EXPLAINS.items() if of is hypothesis]
        total = sum(prior[way] for way in ways)
        chances[hypothesis] = {
            heard: sum(prior[way] * row.chances[way] for way in ways) / total
            for heard, row in rows.items()
        }
    return chances
