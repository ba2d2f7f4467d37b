"""All decisions about the settings of an engagement, and the bounds that none of them leaves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from pipeline.addresses import parse_address
from pipeline.decide.tuning import naming, patience, speed
from pipeline.decide.tuning.proposal import Decision, Kept, Key, Now, Past, Proposal
from pipeline.model import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is proposed, and what stays with its reason; both in the order of :class:`Key`."""

    proposals: tuple[Proposal, ...] = ()
    kept: tuple[Kept, ...] = ()


def advise(past: Past, now: Now) -> Advice:
    """Decide about every setting."""
    decisions = tuple(
        chain(
            speed.fitting(speed.ceilings(past, now), now),
            (
                decide(past, now)
                for decide in (
                    patience.delays,
                    patience.canary_waits,
                    patience.control_ports,
                    patience.second_looks,
                    patience.watch_looks,
                    patience.connect_timeout,
                    patience.listen,
                    naming.canaries,
                    naming.fragile_hosts,
                )
            ),
            naming.suppressions(past, now),
        )
    )
    order = list(Key)
    ordered: list[Decision] = sorted(decisions, key=lambda decision: order.index(decision.key))
    proposals = tuple(d for d in ordered if isinstance(d, Proposal))
    assert all(inside(proposal, now) for proposal in proposals)
    return Advice(proposals=proposals, kept=tuple(d for d in ordered if isinstance(d, Kept)))


def inside(proposal: Proposal, now: Now) -> bool:
    """True for what leaves neither scope nor authorisation, and raises no rate."""
    match proposal.key:
        case Key.RATE | Key.RATE_PER_HOST | Key.RATE_PER_NETWORK:
            permitted = now.permitted[0 if proposal.key is not Key.RATE_PER_HOST else 1]
            after, before = proposal.after, proposal.before
            assert isinstance(after, int)
            assert isinstance(before, int)
            return 1 <= after < before and (permitted is None or after <= permitted)
        case Key.CANARIES:
            assert isinstance(proposal.after, tuple)
            return all(Endpoint.parse(text).address in now.hosts for text in proposal.after)
        case Key.FRAGILE_HOSTS:
            assert isinstance(proposal.after, tuple)
            return all(parse_address(text) in now.hosts for text in proposal.after)
        case _:
            return True
