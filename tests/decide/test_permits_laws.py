"""No task is sent that the authorisation does not permit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide.permits import TECHNIQUES, Permits, Technique
from pipeline.errors import NotAuthorised
from pipeline.model import Method, Protocol, Purpose, StageName, Task
from pipeline.ports import PortSet
from tests.decide.making import SCOPE

TASK = Task(
    batch=1,
    stage=StageName.DISCOVER,
    method=Method.NMAP_CONNECT,
    purpose=Purpose.SWEEP,
    targets=SCOPE.targets(),
    protocol=Protocol.TCP,
    ports=PortSet.parse("22,80"),
)
ports = st.none() | st.lists(st.integers(1, 9), max_size=5).map(PortSet.of)
permits = st.builds(
    Permits,
    techniques=st.none() | st.frozensets(st.sampled_from(Technique)),
    tcp=ports,
    udp=ports,
    rate=st.none() | st.integers(1, 9),
    rate_per_host=st.none() | st.integers(1, 9),
)
tasks = st.builds(
    lambda method, protocol, some: replace(TASK, method=method, protocol=protocol, ports=some),
    st.sampled_from(sorted(TECHNIQUES)),
    st.sampled_from(Protocol),
    st.lists(st.integers(1, 9), min_size=1, max_size=3).map(PortSet.of),
)


def _allowed(
    bounds: Permits, task: Task, rate: float, *, per_host: float = 1, scripts: bool = False
) -> bool:
    try:
        bounds.require(task, rate=rate, rate_per_host=per_host, scripts=scripts)
    except NotAuthorised:
        return False
    return True


@given(permits, tasks, st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_a_task_is_sent_only_with_its_method_its_ports_and_the_rates_of_its_run_permitted(
    bounds: Permits, task: Task, rate: int, per_host: int, scripts: bool
) -> None:
    known = bounds.ports(task.protocol)
    inside = (
        bounds.allow(TECHNIQUES[task.method])
        and (not scripts or bounds.allow(Technique.SCRIPTS))
        and (known is None or not task.ports - known)
        and (bounds.rate is None or rate <= bounds.rate)
        and (bounds.rate_per_host is None or per_host <= bounds.rate_per_host)
    )
    assert _allowed(bounds, task, rate, per_host=per_host, scripts=scripts) == inside


@given(permits, permits, tasks, st.integers(1, 9), st.integers(1, 9))
def test_two_bounds_permit_what_each_of_them_permits_in_whatever_order(
    one: Permits, other: Permits, task: Task, rate: int, per_host: int
) -> None:
    assert one.narrowed(other) == other.narrowed(one)
    both = all(_allowed(bounds, task, rate, per_host=per_host) for bounds in (one, other))
    assert _allowed(one.narrowed(other), task, rate, per_host=per_host) == both


@pytest.mark.parametrize("method", [m for m in Method if m is not Method.IMPORTED])
def test_every_method_that_sends_something_has_a_technique(method: Method) -> None:
    assert TECHNIQUES[method] in Technique
