"""What the stages ask again where packets are lost on the way, and what they do not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from pipeline.addresses import Address, parse_address
from pipeline.decide.standing import SEARCHES
from pipeline.model import Method, Purpose, TaskRecord, VerdictKind
from tests.stages.simulator import Deaf, Honest, Host, Reply
from tests.stages.test_networks_that_fight_back import CAREFUL, HERE, SERVICES, THERE
from tests.stages.test_networks_that_fight_back import world as world_of
from tests.stages.world import BY_NMAP, Greylisting, Street, World

HOST_TTL, BOX_TTL = 62, 63
BY_SYN = (Method.MASSCAN_SYN, Method.NMAP_SYN)
PROXIED = (80, 443)


def address(prefix: str, last: int) -> Address:
    return parse_address(f"{prefix}.{last}")


def crowd(*, loss: float = 0.0, seed: int = 0) -> World:
    """Fourteen ordinary hosts, one that drops, one that no SYN scan of nmap reaches; the rest dead.

    More hosts than that are needed before anybody can say how much is lost.
    """
    ordinary: dict[int, Host] = {n: Honest(SERVICES) for n in range(1, 15)}
    deaf = Deaf(Honest({22: "SSH-2.0-x"}), lambda method, _: method is Method.NMAP_SYN)
    others: dict[int, Host] = {1: Honest({22: "SSH-2.0-x"}, refuses=False), 2: deaf}
    return world_of(Street(HERE, ordinary), Street(THERE, others), loss=loss, seed=seed)


# --- the second sweep ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_where_much_is_lost_hosts_that_answered_everything_are_not_swept_again(seed: int) -> None:
    played = crowd(loss=0.2, seed=seed)
    played.play()
    (again,) = (t for t in played.tasks_of(Purpose.SWEEP) if t.round == 2)
    spared = [n for n in range(1, 15) if address(HERE, n) not in again.targets]
    # Some are unlucky with their looks, too.
    assert len(spared) >= 12
    assert all(address(THERE, n) in again.targets for n in (1, 2, 3, 14))


@pytest.mark.parametrize("seed", range(2))
def test_the_second_sweep_waits_for_all_looks_that_find_something(seed: int) -> None:
    played = crowd(loss=0.2, seed=seed)
    played.play()
    records = [r for r in played.records if r.started and r.ended]
    (again,) = (r for r in records if r.task.purpose is Purpose.SWEEP and r.task.round == 2)
    looks = [
        r
        for r in records
        if r.task.purpose is Purpose.SECOND_LOOK and r.task.pace > CAREFUL.gentle_pace
    ]
    before = {r.task.round for r in looks if r.number < again.number}
    assert len(before) >= 2
    assert not any(during(again, look) for look in looks)


def during(one: TaskRecord, other: TaskRecord) -> bool:
    return (other.started or 0.0) < (one.started or 0.0) < (other.ended or 0.0)


def test_nothing_is_swept_again_where_little_is_lost() -> None:
    played = crowd()
    played.play()
    assert {task.round for task in played.tasks_of(Purpose.SWEEP)} <= {0, 1}


@pytest.mark.parametrize(("loss", "asks"), [(0.0, 2), (0.1, 3), (0.15, 4)])
def test_silent_ports_are_asked_until_loss_no_longer_explains_their_silence(
    loss: float, asks: int
) -> None:
    """Sweeps and looks count alike: either is one probe."""
    quiet: dict[int, Host] = {n: Honest({22: "SSH-2.0-x"}, refuses=False) for n in range(1, 4)}
    more = {n: Honest(SERVICES) for n in range(1, 15)}
    played = world_of(Street(HERE, quiet), Street(THERE, more), loss=loss)
    played.play()
    of_quiet = [
        task
        for task in played.tasks_of(*SEARCHES)
        if address(HERE, 1) in task.targets and 30 in task.ports
    ]
    assert len(of_quiet) == asks


def test_who_is_found_late_is_looked_at_from_the_beginning() -> None:
    """Beside hosts at which as many looks have been made as there may be."""
    shy_of_strangers = Deaf(Greylisting(Honest(SERVICES)), lambda _, now: now < 10.0)
    ordinary: dict[int, Host] = {n: Honest(SERVICES) for n in range(1, 10)}
    played = world_of(
        Street(HERE, ordinary | {10: shy_of_strangers}),
        Street(THERE, {n: Honest(SERVICES) for n in range(1, 15)}),
        loss=0.2,
    )
    played.play()
    looks = [
        task.round
        for task in played.tasks_of(Purpose.SECOND_LOOK)
        if address(HERE, 10) in task.targets
    ]
    (again,) = (t for t in played.tasks_of(Purpose.SWEEP) if t.round == 2)
    assert address(HERE, 10) in again.targets
    assert min(looks) == 1


# --- how far away a host is ----------------------------------------------------------------------


@dataclass
class Proxied:
    """A host whose web ports a box on the path answers, and that keeps its first refusals."""

    deaf_for: int
    """How often each control port is asked by a SYN scan before it answers one."""
    asked: Counter[int] = field(default_factory=Counter)

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        if port in CAREFUL.control_ports and method in BY_NMAP:
            self.asked[port] += 1
            if self.asked[port] <= self.deaf_for:
                return None
        by_box = port in PROXIED
        answer = Honest({port: ""} if by_box else {22: "SSH-2.0-x"}).reply(method, port, now)
        ttl = BOX_TTL if by_box else HOST_TTL
        return replace(answer, ttl=ttl if method in BY_SYN else None) if answer else None


def proxied(deaf_for: int, *, loss: float) -> tuple[Proxied, World]:
    host = Proxied(deaf_for)
    beside = Street(THERE, {n: Honest(SERVICES) for n in range(1, 13)})
    return host, world_of(Street(HERE, {1: host}), beside, loss=loss, seed=5)


def kinds(played: World) -> dict[int, VerdictKind]:
    found = played.play()
    return {e.port: v.kind for e, v in found.items() if e.address == address(HERE, 1)}


@pytest.mark.parametrize(("deaf_for", "loss"), [(0, 0.1), (3, 0.1), (5, 0.2)])
def test_a_box_on_the_path_is_told_though_the_first_refusals_went_lost(
    deaf_for: int, loss: float
) -> None:
    """Three SYNs are one ask of nmap: the first, the second or the third ask is answered."""
    _, played = proxied(deaf_for, loss=loss)
    found = kinds(played)
    assert found[22] is VerdictKind.CONFIRMED
    assert {found.get(port, VerdictKind.ARTEFACT) for port in PROXIED} == {VerdictKind.ARTEFACT}


def rounds_of_controls(played: World) -> dict[Address, int]:
    rounds: Counter[Address] = Counter()
    for task in played.tasks_of(Purpose.CONTROL):
        if task.method is Method.NMAP_SYN:
            rounds.update(task.targets.addresses)
    return dict(rounds)


def test_control_ports_that_refuse_are_asked_once_whatever_is_lost() -> None:
    host, played = proxied(0, loss=0.1)
    played.play()
    assert host.asked.keys() == set(CAREFUL.control_ports)
    assert rounds_of_controls(played)[address(HERE, 1)] == 1


def test_control_ports_are_asked_again_only_where_much_is_lost() -> None:
    """A host that refuses other ports, and drops what nobody named, is not bothered for nothing."""
    _, played = proxied(10**6, loss=0.0)
    played.play()
    assert set(rounds_of_controls(played).values()) == {1}


def test_control_ports_that_never_answer_are_asked_a_few_times() -> None:
    _, played = proxied(10**6, loss=0.1)
    played.play()
    assert 2 <= rounds_of_controls(played)[address(HERE, 1)] <= 5
