"""What a run is bound to when it starts: allowed, admitted, cut into batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, parse_address
from pipeline.decide.permits import Technique
from pipeline.engagement import Engagement, load
from pipeline.errors import NotAdmitted, NotAuthorised, ToolError
from pipeline.model import Endpoint, Method
from pipeline.plan import RunPlan
from pipeline.ports import ALL_PORTS, PortSet, PortSpec, parse_ports
from pipeline.vantage import Survey, Tool
from stages.authorise import authorise, batches
from tests.decide.making import PLAN, POLICY, START, endpoints

TEXT = """\
client: Example Ltd
engagement: weekly-perimeter
authorisation:
  reference: EX-2026-17
  signatory: Head of IT
  valid_from: 2026-11-01
  valid_until: 2027-10-31
scope:
  include: [192.0.2.0/24, www.example.test]
  exclude: [192.0.2.9]
ports: 22,80,443
vantage: {name: office, interface: eth0}
limits: {rate: 10000, rate_per_host: 80}
profile: balanced
"""
NMAP = Tool(name="nmap", path=Path("/usr/bin/nmap"), version="7.93", raw=True)
MASSCAN = Tool(name="masscan", path=Path("/usr/bin/masscan"), version="1.3.2", raw=True)
BOTH = Survey(tools=(NMAP, MASSCAN), missing=(), on_link=AddressSet.parse(["127.0.0.0/8"]))


@pytest.fixture
def engagement(tmp_path: Path) -> Engagement:
    path = tmp_path / "engagement.yml"
    path.write_text(TEXT)
    return load(path, now=START)


@pytest.fixture
def plan(engagement: Engagement) -> Callable[..., RunPlan]:
    """Authorise, with another survey or at another time or with a changed engagement."""

    def make(
        survey: Survey = BOTH,
        *,
        now: float = START,
        seed: int = 7,
        resolves_to: str = "192.0.2.7",
        **changes: object,
    ) -> RunPlan:
        return authorise(
            replace(engagement, **changes),  # type: ignore[arg-type]  # the tests name what differs
            survey,
            now=now,
            resolver=lambda _: (parse_address(resolves_to),),
            seed=seed,
        )

    return make


def test_a_run_is_bound_to_what_the_engagement_says(plan: Callable[..., RunPlan]) -> None:
    found = plan()
    assert found.scope.admitted == AddressSet.parse(["192.0.2.0-8", "192.0.2.10-255"])
    assert found.names == (("www.example.test", ("192.0.2.7",)),)
    assert ("signatory", "Head of IT") in found.authorisation
    assert found.authorised_from <= START < found.authorised_until
    assert (found.policy.vantage, found.policy.interface) == ("office", "eth0")
    assert found.policy.ceilings.rate_per_host == 80
    assert found.engagement_text == TEXT


@pytest.mark.parametrize("seconds", [-400 * 86_400, 400 * 86_400])
def test_outside_of_its_validity_an_authorisation_allows_nothing(
    plan: Callable[..., RunPlan], seconds: float
) -> None:
    with pytest.raises(NotAuthorised):
        plan(now=START + seconds)


@pytest.mark.parametrize("address", ["192.0.2.9", "198.51.100.1"])
def test_a_name_that_leads_out_of_the_scope_is_refused(
    plan: Callable[..., RunPlan], address: str
) -> None:
    with pytest.raises(NotAdmitted, match=r"www\.example\.test"):
        plan(resolves_to=address)


# --- tools and methods -------------------------------------------------------------------------


def test_with_every_privilege_masscan_sweeps_and_three_methods_corroborate(
    plan: Callable[..., RunPlan],
) -> None:
    policy = plan().policy
    assert policy.sweep is Method.MASSCAN_SYN
    assert policy.methods == (Method.NMAP_SYN, Method.NMAP_CONNECT, Method.HANDSHAKE)
    assert parse_address("127.0.0.1") in policy.beyond_sweep
    assert parse_address("2001:db8::1") in policy.beyond_sweep
    assert parse_address("192.0.2.1") not in policy.beyond_sweep
    assert plan().notes == ()


def test_without_privileges_connect_scans_and_handshakes_remain_and_the_report_says_so(
    plan: Callable[..., RunPlan],
) -> None:
    bare = replace(BOTH, tools=(replace(NMAP, raw=False), replace(MASSCAN, raw=False)))
    found = plan(bare)
    assert found.policy.sweep is Method.NMAP_CONNECT
    assert found.policy.methods == (Method.NMAP_CONNECT, Method.HANDSHAKE)
    assert not found.policy.privileged
    assert not found.policy.beyond_sweep
    assert any("without the privilege" in note for note in found.notes)


def test_without_masscan_nmap_sweeps_and_the_report_says_why(
    plan: Callable[..., RunPlan],
) -> None:
    missing = (ToolError("masscan is not installed", hint="install it"),)
    found = plan(replace(BOTH, tools=(NMAP,), missing=missing))
    assert found.policy.sweep is Method.NMAP_SYN
    assert found.notes == (
        "discovery without masscan (masscan is not installed): nmap sweeps instead",
    )


def test_without_nmap_there_is_no_run(plan: Callable[..., RunPlan]) -> None:
    missing = (ToolError("nmap is not installed", hint="install it"),)
    with pytest.raises(ToolError, match="nmap is not installed"):
        plan(replace(BOTH, tools=(MASSCAN,), missing=missing))


def test_where_a_host_may_get_less_than_one_version_probe_sends_there_is_none(
    plan: Callable[..., RunPlan], engagement: Engagement
) -> None:
    found = plan(limits=replace(engagement.limits, rate_per_host=14))
    assert not found.policy.version_probe
    assert any("no version probes" in note for note in found.notes)
    assert plan().policy.version_probe


@pytest.mark.parametrize(
    ("ceiling", "scripts"),
    [
        (80, ("ssl-cert", "ssh-hostkey", "http-title")),
        (50, ("ssl-cert", "http-title")),
        (20, ()),
    ],
)
def test_scripts_that_send_too_much_in_a_second_are_left_out_and_named(
    plan: Callable[..., RunPlan],
    engagement: Engagement,
    ceiling: int,
    scripts: tuple[str, ...],
) -> None:
    found = plan(limits=replace(engagement.limits, rate_per_host=ceiling))
    assert found.policy.version_probe
    assert found.policy.scripts == scripts
    told = " ".join(found.notes)
    for name in ("ssl-cert", "ssh-hostkey", "http-title"):
        assert (name in told) == (name not in scripts)


# --- control ports -----------------------------------------------------------------------------


def test_control_ports_are_drawn_anew_for_each_run_and_never_asked_for(
    plan: Callable[..., RunPlan],
) -> None:
    asked = PortSpec(explicit=PortSet.parse("20000-40000"))
    drawn = {plan(seed=seed, ports=asked).policy.control_ports for seed in range(10)}
    assert len(drawn) > 5
    for ports in drawn:
        assert len(ports) == 2
        assert not ports & asked.explicit
    assert plan(seed=3).policy.control_ports == plan(seed=3).policy.control_ports


@pytest.mark.parametrize(
    "asked",
    [ALL_PORTS, PortSet.parse("1-60999"), PortSet.parse("1-60998"), PortSet.parse("1-19999")],
)
def test_there_are_control_ports_whatever_is_asked_for(
    plan: Callable[..., RunPlan], asked: PortSet
) -> None:
    assert 1 <= len(plan(ports=PortSpec(explicit=asked)).policy.control_ports) <= 2


# --- batches -----------------------------------------------------------------------------------


@given(
    st.sets(st.sampled_from([f"192.0.2.{n}:{port}" for n in range(0, 30, 3) for port in (22, 8)])),
    st.integers(50, 5000),
)
@settings(max_examples=30)
def test_batches_cover_the_scope_once_and_know_what_is_expected_in_them(
    expected: set[str], rate: int
) -> None:
    policy = replace(POLICY, ceilings=replace(POLICY.ceilings, rate=rate, rate_per_host=50))
    plan = replace(
        PLAN,
        policy=policy,
        included=AddressSet.parse(["192.0.2.0/27", "2001:db8::/125"]),
        excluded=AddressSet.parse(["192.0.2.3"]),
    )
    cut = list(batches(plan, [*endpoints(*expected), *endpoints("[2001:db8::1]:80")]))
    assert [batch.number for batch in cut] == list(range(1, len(cut) + 1))
    assert sum(batch.targets.addresses.size for batch in cut) == plan.scope.admitted.size
    everything = AddressSet()
    for batch in cut:
        everything |= batch.targets.addresses
        assert batch.ports == policy.ports
        for endpoint in batch.expected:
            assert endpoint.address in batch.targets
    assert everything == plan.scope.admitted
    found = [endpoint for batch in cut for endpoint in batch.expected]
    wanted = {
        e
        for e in (*endpoints(*expected), *endpoints("[2001:db8::1]:80"))
        if e.address in plan.scope.admitted
    }
    assert sorted(found) == sorted(wanted)


def test_a_canary_is_expected_although_its_port_is_not_swept() -> None:
    canary: tuple[Endpoint, ...] = endpoints("192.0.2.7:8080")
    plan = replace(PLAN, included=AddressSet.parse(["192.0.2.0/27"]))
    assert [batch.expected for batch in batches(plan, canary)] == [canary]


# --- what the authorisation permits ------------------------------------------------------------


def _permitting(engagement: Engagement, **bounds: object) -> dict[str, object]:
    permits = replace(engagement.authorisation.permits, **bounds)  # type: ignore[arg-type]  # as above
    return {"authorisation": replace(engagement.authorisation, permits=permits)}


def test_without_permission_for_syn_scans_nobody_sends_any(
    plan: Callable[..., RunPlan], engagement: Engagement
) -> None:
    some = frozenset(Technique) - {Technique.SYN}
    found = plan(**_permitting(engagement, techniques=some))
    assert found.policy.sweep is Method.NMAP_CONNECT
    assert found.policy.methods == (Method.NMAP_CONNECT, Method.HANDSHAKE)
    assert not found.policy.syn
    assert any("no SYN scans" in note for note in found.notes)
    assert ("permitted methods", "connect, udp, version, scripts") in found.authorisation


def test_control_ports_are_drawn_from_what_is_permitted(
    plan: Callable[..., RunPlan], engagement: Engagement
) -> None:
    found = plan(**_permitting(engagement, ports=parse_ports("1-500")))
    assert found.policy.control_ports
    assert not found.policy.control_ports - PortSet.parse("1-500")
    assert not found.policy.control_ports & found.policy.ports


def test_where_nothing_else_is_permitted_there_are_no_control_ports(
    plan: Callable[..., RunPlan], engagement: Engagement
) -> None:
    found = plan(**_permitting(engagement, ports=parse_ports("22,80,443")))
    assert not found.policy.control_ports
    assert any("no control ports" in note for note in found.notes)


def test_a_run_that_would_ask_other_ports_is_refused(
    plan: Callable[..., RunPlan], engagement: Engagement
) -> None:
    with pytest.raises(NotAuthorised, match=r"asks 1 TCP port that .*: 443"):
        plan(**_permitting(engagement, ports=parse_ports("22,80")))


def test_a_name_that_leads_out_of_what_is_permitted_is_refused(
    plan: Callable[..., RunPlan], engagement: Engagement
) -> None:
    bounds = _permitting(engagement, targets=AddressSet.parse(["192.0.2.0/26"]))
    assert plan(**bounds).scope.admitted <= AddressSet.parse(["192.0.2.0/26"])
    with pytest.raises(NotAdmitted, match=r"does not permit"):
        plan(resolves_to="192.0.2.77", **bounds)
