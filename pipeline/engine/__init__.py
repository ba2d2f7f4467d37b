"""Plan what is missing, start what is due, settle what came back, until nothing is due.

Batches flow: while one is being corroborated the next is being discovered, and a rescan that is
due in an hour holds nobody up. A task starts when its time has come, a lease of the rate budget
covers what it sends, and a place is free for its tool. All of it happens inside windows: a task is
started when it ends before the close, and what runs at the close is stopped and asked again.
"""

from __future__ import annotations

from pipeline.engine.places import HANDSHAKE_TASKS_AT_ONCE
from pipeline.engine.settling import RETRY_AFTER
from pipeline.engine.telling import Progress
from pipeline.engine.working import LOOK_EVERY, SWEEPING_AT_ONCE, Engine, Plan

__all__ = [
    "HANDSHAKE_TASKS_AT_ONCE",
    "LOOK_EVERY",
    "RETRY_AFTER",
    "SWEEPING_AT_ONCE",
    "Engine",
    "Plan",
    "Progress",
]
