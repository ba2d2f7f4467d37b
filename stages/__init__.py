"""The nine stages, one file each, in the order in which a run goes through them.

The network stages are questions: ``plan(evidence, policy)`` yields the tasks that are still missing
for a batch, and the engine does the asking. The desk stages read the store and write to it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

from pipeline.model import StageName
from stages import (
    authorise,
    classify,
    compare,
    corroborate,
    deliver,
    discover,
    probe,
    report,
    rescan,
)

STAGES: Final[tuple[tuple[StageName, ModuleType], ...]] = (
    (StageName.AUTHORISE, authorise),
    (StageName.DISCOVER, discover),
    (StageName.CORROBORATE, corroborate),
    (StageName.RESCAN, rescan),
    (StageName.PROBE, probe),
    (StageName.CLASSIFY, classify),
    (StageName.COMPARE, compare),
    (StageName.REPORT, report),
    (StageName.DELIVER, deliver),
)
NETWORK_STAGES: Final = (discover.plan, corroborate.plan, rescan.plan, probe.plan)
