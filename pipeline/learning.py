"""Read what the runs of a workspace say about the settings of an engagement; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.addresses import AddressSet
from pipeline.decide.tuning.counting import Counting
from pipeline.decide.tuning.learned import Learned, Sources, learn
from pipeline.decide.tuning.patience import LOOKING
from pipeline.decide.tuning.proposal import Fired, Now, Past
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.steadiness import steadiness
from pipeline.decide.tuning.tally import Settings, Tally, same
from pipeline.engagement import Engagement
from pipeline.ledger import Ledger
from pipeline.model import RunState
from pipeline.plan import Policy
from pipeline.remembering import remember
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.store.spells import histories, occasions


def learned(store: Store, engagement: Engagement, *, newest: int, now: float) -> Learned:
    """What the ``newest`` runs of this engagement, and of each other one, come to; ``now`` ends
    suppressions."""
    runs = store.runs()
    own = [run for run in runs if run.plan.engagement == engagement.name]
    telling = [run for run in own if _tells(run)]
    others = [run for run in runs if run.plan.engagement != engagement.name and _tells(run)]
    counted = telling[-newest:]
    remember(store, engagement.name)
    tallies = tuple(tally_of(store, run) for run in counted)
    present = settings_now(engagement)
    order = [occasion.number for occasion in occasions(store, engagement.name)]
    watched = {t.run for t in tallies if same(t.settings, present, "watch_looks")}
    looked = {t.run for t in tallies if same(t.settings, present, *LOOKING)}
    steady = steadiness(
        histories(store, occasions(store, engagement.name)),
        order,
        watched_alike=watched,
        looked_alike=looked,
    )
    past = Past(
        tallies=tallies,
        steady=steady.steady,
        wavering=steady.wavering,
        wavering_runs=len(watched & set(order)),
        overlooked=steady.overlooked,
        overlooked_runs=len(looked & set(order)),
        fired=_fired(store, own, engagement, now),
    )
    return learn(
        engagement.name,
        past,
        now_of(engagement, own),
        Sources(
            counted=len(counted),
            purged=sum(run.purged is not None for run in own),
            left_out=sum(run.purged is None and not _tells(run) for run in own),
            older=len(telling) - len(counted),
            others=len(others[-newest:]),
        ),
        others=[tally_of(store, run) for run in others[-newest:]],
        flapping=steady.flapping,
    )


def tally_of(store: Store, run: RunRecord) -> Tally:
    """Count one run, batch by batch. Raises :class:`UsageError` for one that was purged."""
    ledger = Ledger(store, run)
    verdicts = store.verdicts(run.number)
    counting = Counting(
        run.number,
        settings_then(run.plan.policy),
        seconds=(run.ended or run.started) - run.started,
        error=run.plan.policy.error,
    )
    for batch in ledger.batches():
        counting.add(ledger.evidence(batch), verdicts)
    return counting.result()


def settings_now(engagement: Engagement) -> Settings:
    """What the engagement and its profile say."""
    profile, limits = engagement.profile, engagement.limits
    return Settings(
        rate=limits.rate,
        rate_per_host=limits.rate_per_host,
        rate_per_network=limits.rate_per_network,
        delays=engagement.rescan_delays,
        control_ports=profile.control_ports,
        second_looks=profile.second_looks,
        watch_looks=profile.watch_looks,
        canary_waits=profile.canary_waits,
        connect_timeout=profile.handshake_connect_timeout,
        listen=profile.handshake_listen,
    )


def settings_then(policy: Policy) -> Settings:
    """What a run was begun with."""
    ceilings = policy.ceilings
    return Settings(
        rate=ceilings.rate,
        rate_per_host=ceilings.rate_per_host,
        rate_per_network=ceilings.rate_per_network,
        delays=policy.rescan_delays,
        control_ports=len(policy.control_ports),
        second_looks=policy.second_looks,
        watch_looks=policy.watch_looks,
        canary_waits=policy.canary_waits,
        connect_timeout=policy.connect_timeout,
        listen=policy.listen,
    )


def now_of(engagement: Engagement, runs: Sequence[RunRecord]) -> Now:
    """The engagement as decisions see it; how many ports ``top:N`` are, its newest run knows."""
    permits = engagement.authorisation.permits
    hosts: AddressSet = engagement.include - engagement.exclude
    if permits.targets is not None:
        hosts = hosts & permits.targets
    ports = len(engagement.ports.explicit) + engagement.ports.top
    return Now(
        settings=settings_now(engagement),
        hosts=hosts,
        ports=len(runs[-1].plan.policy.ports) if runs and engagement.ports.top else ports,
        retries=engagement.profile.masscan_retries,
        concurrency=engagement.limits.concurrency,
        canaries=engagement.canaries,
        fragile=engagement.fragile.hosts,
        suppressions=engagement.suppressions,
        permitted=(permits.rate, permits.rate_per_host),
    )


def _tells(run: RunRecord) -> bool:
    return run.state is RunState.COMPLETE and run.purged is None and not run.plan.imported


def _fired(
    store: Store, runs: Iterable[RunRecord], engagement: Engagement, now: float
) -> tuple[Fired, ...]:
    """For each suppression, in how many of the comparisons on file it would have been of use."""
    if not engagement.suppressions:
        return ()
    hits, trials = [0] * len(engagement.suppressions), 0
    for run in runs:
        comparison = store.comparison(run.number) if run.purged is None else None
        if comparison is None:
            continue
        trials += 1
        for place, entry in enumerate(engagement.suppressions):
            hits[place] += any(entry.matches(change) for change in comparison.changes)
    return tuple(
        Fired(comparisons=Share(hit, trials), expired=entry.until <= now)
        for hit, entry in zip(hits, engagement.suppressions, strict=True)
    )
