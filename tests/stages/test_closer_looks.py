"""Where something comes and goes, its host and network are looked at closely, and nobody else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pipeline.decide.closer import MOST_PROBES
from pipeline.model import Endpoint, Purpose, TaskRecord, Verdict, VerdictKind
from pipeline.plan import Policy
from tests.stages.simulator import CATCH_ALL, Honest
from tests.stages.test_networks_that_fight_back import CAREFUL, HERE, SERVICES, THERE, world
from tests.stages.world import Rhythmic, Street, World

SELDOM = Rhythmic(frozenset({25, 33, 443}), 30.0, 0.1, 0.35)
HALF = Rhythmic(frozenset({22}), 30.0, 0.5, 0.0)


class Both:
    """Two rhythms on one host: one of which the sweep meets, one of which it does not."""

    def reply(self, method: object, port: int, now: float) -> object:
        one = HALF if port in HALF.ports else SELDOM
        return one.reply(method, port, now)  # type: ignore[arg-type]  # handed through


def played(*streets: Street, by: Policy = CAREFUL) -> tuple[World, dict[Endpoint, Verdict]]:
    playing = world(*streets, by=by, seed=3)
    return playing, playing.play()


def asked(playing: World, purpose: Purpose) -> list[TaskRecord]:
    return [record for record in playing.records if record.task.purpose is purpose]


def test_what_is_seldom_open_is_found_beside_what_comes_and_goes() -> None:
    _, found = played(Street(HERE, {1: Both()}))  # type: ignore[dict-item]  # a host that replies
    kinds = {endpoint.port: verdict.kind for endpoint, verdict in found.items()}
    assert kinds == dict.fromkeys((22, 25, 33, 443), VerdictKind.TRANSIENT)


def test_a_steady_network_gets_the_first_looks_and_no_more() -> None:
    playing, _ = played(Street(HERE, {1: Honest(SERVICES), 2: Honest({25: "220 mail"})}))
    looks = asked(playing, Purpose.WATCH)
    assert {record.task.round for record in looks} == set(range(1, CAREFUL.watch_looks + 1))
    assert not asked(playing, Purpose.RESWEEP)


def test_only_the_network_of_what_comes_and_goes_is_looked_at_closely() -> None:
    playing, _ = played(
        Street(HERE, {1: HALF, 2: Honest(SERVICES)}), Street(THERE, {1: Honest(SERVICES)})
    )
    closely = [r.task for r in asked(playing, Purpose.WATCH) if r.task.round > CAREFUL.watch_looks]
    near = {str(a).rpartition(".")[0] for task in closely for a in task.targets.addresses}
    assert near == {HERE}
    per_endpoint = Counter(
        (address, port) for t in closely for address in t.targets.addresses for port in t.ports
    )
    assert set(per_endpoint.values()) == {CAREFUL.closer_looks}
    swept = {str(a) for r in asked(playing, Purpose.RESWEEP) for a in r.task.targets.addresses}
    assert swept == {f"{HERE}.1", f"{HERE}.2"}


@pytest.mark.parametrize(
    ("change", "sweeps"),
    [
        ({}, 24),
        ({"closer_looks": 0}, 0),
        ({"closer_looks": 5}, 5),
        ({"rescan_packets_share": 0.4}, 12),  # 0.4 of 32 addresses: twelve times one of them
    ],
)
def test_further_sweeps_keep_to_their_number_and_to_the_budget(
    change: dict[str, float], sweeps: int
) -> None:
    by = replace(CAREFUL, **change)  # type: ignore[arg-type]  # fields of a policy
    playing, _ = played(Street(HERE, {1: HALF}), Street(THERE, {}), by=by)
    records = asked(playing, Purpose.RESWEEP)
    assert len(records) == sweeps
    assert sum(record.task.endpoints for record in records) <= MOST_PROBES
    times = [record.task.not_before for record in records]
    assert times == sorted(set(times))


def test_a_host_that_pretends_is_not_swept_again() -> None:
    playing, _ = played(Street(HERE, {1: HALF, 2: CATCH_ALL}))
    swept = {str(a) for r in asked(playing, Purpose.RESWEEP) for a in r.task.targets.addresses}
    assert swept == {f"{HERE}.1"}
