"""What was learned from earlier runs, for a terminal and for programs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final

from pipeline.addresses import Address, number_of
from pipeline.decide.tuning.learned import Doubts, Learned, Sources, Speed
from pipeline.decide.tuning.proposal import Change, Effect, Grounds, Kept, Proposal, span
from pipeline.decide.tuning.shares import LEVEL, Share
from pipeline.decide.tuning.tally import Cell, Told, network_text
from pipeline.engagement.patching import Patch
from pipeline.render.text import counted, duration, visible
from pipeline.render.words import METHODS

_MOST_CELLS: Final = 12
_MOST_HOSTS: Final = 20
_LENGTH: Final = 300

Table = list[tuple[str, ...]]


def heading(learned: Learned) -> str:
    """Which runs it rests on."""
    told = learned.sources
    return f"{visible(learned.engagement, 80)}: {'; '.join(_sources(told))}"


def _sources(told: Sources) -> Iterator[str]:
    yield f"{counted(told.counted, 'run')} counted"
    if told.older:
        yield f"{counted(told.older, 'older run')} not looked at (--runs)"
    if told.purged:
        yield f"{counted(told.purged, 'run')} purged: only the history is left of them"
    if told.left_out:
        yield f"{counted(told.left_out, 'run')} imported or not complete: not counted"
    if told.others:
        yield f"{counted(told.others, 'run')} of other engagements beside them"


def share_text(share: Share) -> str:
    """``3 of 40 (7.5 %, 2.6-19.9)``; the interval is that of 95 %."""
    if not share.trials:
        return "-"
    value = f"{share.hits / share.trials:.1%}"
    return f"{share.hits:,} of {share.trials:,} ({value}, {100 * share.low:.1f}-{share.high:.1%})"


def tables(learned: Learned) -> Iterator[tuple[str, Table]]:
    """Title and rows of each table that has any; the first row is its heading."""
    for title, told in (
        ("how far each method is right", learned.told),
        ("the same, in the other engagements of the workspace", learned.elsewhere),
    ):
        if told:
            yield title, [_TOLD_HEAD, *_told_rows(told)]
    if learned.speeds:
        yield "what the rate did", [_SPEED_HEAD, *map(_speed, learned.speeds)]
    doubts = [each for each in learned.doubts if each.open_ended.trials]
    if doubts:
        yield "how doubts ended", [_DOUBT_HEAD, *(row for each in doubts for row in _doubt(each))]
    hosts = _hosts(learned)
    if hosts:
        more = f" (the first {_MOST_HOSTS} of {len(hosts):,}; all with --format json)"
        title = "hosts" + more * (len(hosts) > _MOST_HOSTS)
        yield title, [("host", "what it does, in how many runs"), *hosts[:_MOST_HOSTS]]
    if learned.suppressions:
        rows = [
            (visible(entry.reason, 60), entry.until_text, share_text(fired.comparisons))
            for entry, fired in learned.suppressions
        ]
        yield "suppressions", [("reason", "until", "comparisons in which it was of use"), *rows]


_TOLD_HEAD: Final = ("network", "ports", "method", "called open and is not", "confirmed, not heard")


def _told_rows(told: Mapping[Cell, Told]) -> Iterator[tuple[str, ...]]:
    """All networks together; then those networks in which most was wrong."""
    whole: dict[tuple[str, str], Told] = {}
    for cell, each in told.items():
        key = f"{cell.protocol} {cell.ports}", METHODS[cell.method]
        whole[key] = whole.get(key, Told()) + each
    yield from (("all", *key, *_told(each)) for key, each in sorted(whole.items()))
    wrong = Counter({cell: t.false.hits + t.missed.hits for cell, t in told.items()})
    worst = {cell for cell, hits in wrong.most_common(_MOST_CELLS) if hits}
    for cell, each in told.items():
        if cell in worst:
            ports = f"{cell.protocol} {cell.ports}"
            yield network_text(cell.network), ports, METHODS[cell.method], *_told(each)


def _told(told: Told) -> tuple[str, str]:
    return share_text(told.false), share_text(told.missed)


_SPEED_HEAD: Final = ("rate", "per host", "real rate", "runs", "lost by the sweep", "hosts turned")


def _speed(speed: Speed) -> tuple[str, ...]:
    rates = (speed.rate, speed.rate_per_host, round(speed.mean_rate), speed.runs)
    return *(f"{number:,}" for number in rates), share_text(speed.lost), share_text(speed.turned)


_DOUBT_HEAD: Final = ("delays", "runs", "round", "after", "of those in doubt")


def _doubt(doubts: Doubts) -> Iterator[tuple[str, ...]]:
    delays = ", ".join(map(span, doubts.delays))
    for each in doubts.rounds:
        after = span(each.delay) if each.delay is not None else "the last, repeated"
        yield delays, str(doubts.runs), str(each.number), after, share_text(each.settled)
    left = doubts.open_ended
    told = delays, str(doubts.runs)
    if doubts.lasted:
        half, longest = duration(median(doubts.lasted)), duration(doubts.lasted[-1])
        settled = Share(left.trials - left.hits, left.trials)
        yield *told, "settled", f"half in {half}, all in {longest}", share_text(settled)
    more = f"half for {duration(median(doubts.given_up))} or more" if doubts.given_up else ""
    yield *told, "left", more, share_text(left)


def _hosts(learned: Learned) -> list[tuple[str, str]]:
    """Those with the most runs first."""
    does: dict[Address, list[str]] = defaultdict(list)
    runs: Counter[Address] = Counter()
    for each in learned.troubled:
        does[each.address].append(f"{each.trouble} in {each.runs.hits} of {each.runs.trials}")
        runs[each.address] += each.runs.hits
    for address, count in learned.flapping.items():
        noun = counted(count, "endpoint")
        does[address].append(f"by its history {noun} of it came and went")
    order = sorted(does, key=lambda address: (-runs[address], number_of(address)))
    return [(str(address), ", ".join(does[address])) for address in order]


def proposal_lines(number: int, proposal: Proposal, changed: Sequence[str]) -> Iterator[str]:
    """One proposal: what, why, on which grounds, to which effect, and the lines it changes."""
    yield f"{number}. {change_text(proposal)}"
    yield f"   why: {visible(proposal.why, _LENGTH)}"
    for grounds in proposal.grounds:
        yield f"   evidence: {visible(str(grounds), _LENGTH)}"
    yield f"   effect on a run: {effect_text(proposal.effect)}"
    yield from (f"     {visible(line, _LENGTH)}" for line in changed)


def change_text(proposal: Proposal) -> str:
    """``limits.rate: 1000 -> 500``."""
    key = proposal.key.value
    match proposal.change:
        case Change.SET:
            return f"{key}: {_value(proposal.before)} -> {_value(proposal.after)}"
        case Change.ADD:
            return f"{key}: add {_value(proposal.after)}"
        case _:
            return f"{key}: remove {visible(str(proposal.before), _LENGTH)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def effect_text(effect: Effect) -> str:
    """Time and packets, and what there is to be said about them."""
    seconds, packets = round(effect.seconds), round(effect.packets)
    time = f"{'+' if seconds > 0 else '-'}{duration(abs(seconds))}" if seconds else "no more time"
    sent = f"{packets:+,} packets" if packets else "as many packets"
    return f"{time}, {sent}" + (f" ({effect.note})" if effect.note else "")


def kept_line(kept: Kept) -> str:
    """One setting that stays."""
    grounds = "; ".join(map(str, kept.grounds))
    told = f"{kept.key}: {kept.because}: {kept.text}"
    return visible(f"{told}: {grounds}" if grounds else told, 2 * _LENGTH)


def tuning_json(learned: Learned, patch: Patch, *, applied: bool) -> str:
    """The same for programs; ``applied``: the patch was written."""
    sources = learned.sources
    document = {
        "engagement": learned.engagement,
        "level": LEVEL,
        "runs": {
            "counted": sources.counted,
            "older": sources.older,
            "purged": sources.purged,
            "left_out": sources.left_out,
            "of_other_engagements": sources.others,
        },
        "methods": [_cell(cell, told) for cell, told in learned.told.items()],
        "methods_elsewhere": [_cell(cell, told) for cell, told in learned.elsewhere.items()],
        "rates": [
            {
                "rate": s.rate,
                "rate_per_host": s.rate_per_host,
                "real_rate": round(s.mean_rate, 1),
                "runs": s.runs,
                "lost": _share(s.lost),
                "turned": _share(s.turned),
            }
            for s in learned.speeds
        ],
        "doubts": [
            {
                "delays": each.delays,
                "runs": each.runs,
                "rounds": [
                    {"round": r.number, "after": r.delay, "settled": _share(r.settled)}
                    for r in each.rounds
                ],
                "left": _share(each.open_ended),
                "median_seconds": median(each.lasted) if each.lasted else None,
                "longest_seconds": each.lasted[-1] if each.lasted else None,
                "median_seconds_left": median(each.given_up) if each.given_up else None,
                "repeated": each.repeated,
            }
            for each in learned.doubts
        ],
        "hosts": [
            {"address": str(t.address), "does": t.trouble, "runs": t.runs.hits}
            for t in learned.troubled
        ],
        "flapping": {str(address): count for address, count in learned.flapping.items()},
        "proposals": [
            _proposal(proposal) | {"lines": lines}
            for proposal, lines in zip(learned.advice.proposals, patch.lines, strict=True)
        ],
        "kept": [
            {
                "key": kept.key,
                "because": kept.because,
                "text": kept.text,
                "evidence": list(map(_grounds, kept.grounds)),
            }
            for kept in learned.advice.kept
        ],
        "files": [str(file.path) for file in patch.files],
        "diff": patch.diff,
        "applied": applied,
    }
    return json.dumps(document, indent=1) + "\n"


def _cell(cell: Cell, told: Told) -> dict[str, Any]:
    return {
        "network": network_text(cell.network),
        "protocol": cell.protocol,
        "ports": cell.ports,
        "method": cell.method,
        "called_open_and_is_not": _share(told.false),
        "confirmed_and_not_heard": _share(told.missed),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "hits": share.hits,
        "trials": share.trials,
        "low": round(share.low, 6),
        "high": round(share.high, 6),
    }


def _grounds(grounds: Grounds) -> dict[str, Any]:
    return {"of": grounds.of, "runs": grounds.runs, **_share(grounds.share)}


def _proposal(proposal: Proposal) -> dict[str, Any]:
    return {
        "key": proposal.key,
        "change": proposal.change,
        "before": proposal.before,
        "after": proposal.after if proposal.change is not Change.DROP else None,
        "why": proposal.why,
        "evidence": list(map(_grounds, proposal.grounds)),
        "effect": {
            "seconds": round(proposal.effect.seconds, 1),
            "packets": round(proposal.effect.packets),
            "note": proposal.effect.note,
        },
    }
