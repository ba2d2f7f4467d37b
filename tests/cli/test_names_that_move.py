"""What was planned is looked at again before a run goes on: names, and scripts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.addresses import parse_address
from pipeline.cli.renewing import renewed, require_as_planned
from pipeline.errors import NotAdmitted, Refused
from pipeline.pinning import pin, require_pinned, require_unmoved
from pipeline.plan import RunPlan
from pipeline.store.runs import Store
from pipeline.workspace import Workspace
from tests.decide.making import PLAN

HERE, THERE = parse_address("127.0.0.1"), parse_address("127.0.0.9")


def planned(*addresses: str, scripts: tuple[str, ...] = ()) -> RunPlan:
    """A plan with one name, which is this machine's, and these scripts."""
    return replace(
        PLAN,
        names=(("localhost", addresses),),
        policy=replace(PLAN.policy, scripts=scripts, version_probe=bool(scripts)),
    )


def test_a_name_may_neither_lose_nor_gain_an_address() -> None:
    plan = planned(str(HERE))
    require_unmoved(plan, {"localhost": (HERE,)})
    require_unmoved(plan, {"localhost": ()})
    require_unmoved(plan, {})
    for now in ((THERE,), (HERE, THERE)):
        with pytest.raises(NotAdmitted, match=r"localhost was 127\.0\.0\.1 when .*127\.0\.0\.9"):
            require_unmoved(plan, {"localhost": now})


def test_a_new_run_is_refused_when_a_name_has_an_address_that_check_did_not_see(
    tmp_path: Path,
) -> None:
    workspace = Workspace(tmp_path)
    require_pinned(workspace, planned(str(THERE)))
    pin(workspace, planned(str(HERE), str(THERE)), now=1.0)
    require_pinned(workspace, planned(str(HERE)))
    pin(workspace, planned(str(HERE)), now=2.0)
    with pytest.raises(NotAdmitted, match=r"and is 127\.0\.0\.9 now"):
        require_pinned(workspace, planned(str(HERE), str(THERE)))


@pytest.fixture
def store(finished: Path) -> Iterator[Store]:
    with Store(finished / "portproof.db") as opened:
        yield opened


def test_a_run_is_not_resumed_when_a_name_has_moved_or_a_script_is_no_longer_safe(
    finished: Path, store: Store
) -> None:
    run, workspace = store.run("last"), Workspace(finished)
    plan = replace(run.plan, engagement_file=str(finished / "engagement.yml"))
    probing = replace(plan.policy, version_probe=True)
    for moved in (
        replace(plan, names=(("localhost", (str(THERE),)),)),
        replace(plan, policy=replace(probing, scripts=("http-brute",))),
    ):
        with pytest.raises(Refused):
            renewed(replace(run, plan=moved), workspace, now=time.time())
    safe = replace(plan, policy=replace(probing, scripts=("ssl-cert",)))
    assert renewed(replace(run, plan=safe), workspace, now=time.time()).id == run.id


def test_scripts_of_a_run_that_probes_no_versions_are_not_looked_up() -> None:
    plan = planned(scripts=("http-brute",))
    with pytest.raises(Refused, match="http-brute"):
        require_as_planned(replace(plan, names=()))
    quiet = replace(plan.policy, version_probe=False)
    require_as_planned(replace(plan, names=(), policy=quiet))
