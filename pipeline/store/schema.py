"""The tables, as SQLAlchemy Core sees them. The migrations build them; a test compares the two.

Addresses are 4 or 16 bytes, so that they sort numerically within a family and stay small. Times
are seconds since the epoch. Sets of addresses and ports are texts as people read them.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("client", Text, nullable=False),
    Column("engagement", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("plan", Text, nullable=False),  # JSON, see records.RunPlan
    Column("stopped_because", Text, nullable=False, default=""),
    Column("remembered", Integer, nullable=False, server_default="0"),  # see spells.Memory
    Column("purged", Float),  # when its evidence was dropped
)

batches = Table(
    "batches",
    metadata,
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("targets", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("ports", Text, nullable=False),
    Column("expected", Text, nullable=False, default=""),
    Column("done", Integer, nullable=False, default=0),
)

tasks = Table(
    "tasks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    Column("batch", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("targets", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("ports", Text, nullable=False),
    Column("vantage", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("pace", Float, nullable=False, server_default="0"),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),  # fences stale results
    Column("failures", Integer, nullable=False, default=0),
    Column("started", Float),
    Column("ended", Float),
    Column("outcome", Text, nullable=False, default=""),
    Column("argv", Text, nullable=False, default="[]"),
    Column("rate", Float),
    Column("evidence", Text, nullable=False, default=""),
    Column("evidence_sha256", Text, nullable=False, default=""),
    UniqueConstraint("run", "key"),
    Index(None, "run", "batch"),
)

holes = Table(
    "holes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("task", Integer, ForeignKey("tasks.number", ondelete="CASCADE"), nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("ports", Text),  # NULL: all ports of the task
    Column("reason", Text, nullable=False),
    Index(None, "task"),
)

refusals = Table(
    "refusals",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("task", Integer, ForeignKey("tasks.number", ondelete="CASCADE"), nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("ports", Text, nullable=False),
    Index(None, "task"),
)

observations = Table(
    "observations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("task", Integer, ForeignKey("tasks.number", ondelete="CASCADE"), nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("ttl", Integer),
    Column("source_port", Integer),
    Column("aftermath", Text),
    Column("banner", Text, nullable=False, default=""),
    Column("service", Text),  # JSON
    # One answer for each endpoint and task: a task that is asked again replaces its answers.
    UniqueConstraint("task", "address", "protocol", "port"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("address", LargeBinary, primary_key=True),
    Column("protocol", Text, primary_key=True),
    Column("port", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("observations", Text, nullable=False),  # JSON list of numbers
    Column("service", Text),  # JSON
)

# What the verdicts on a host say, see digests.py. Triggers on ``verdicts`` drop those of a run.
verdict_digests = Table(
    "verdict_digests",
    metadata,
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("address", LargeBinary, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("against", Integer, ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    Column("differences", Text, nullable=False),  # JSON list of sentences
    Column("counts", Text),  # JSON, by kind of change; once the changes are dropped
)

baselines = Table(
    "baselines",
    metadata,
    Column("engagement", Text, primary_key=True),
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    Column("since", Float, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Index(None, "run"),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    Column("time", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "run"),
)

# One row for each unbroken state of an endpoint, see pipeline/decide/history.py. There are millions
# of them, so they are small: addresses as bytes, words as codes, and no row numbers.
spells = Table(
    "spells",
    metadata,
    Column("address", LargeBinary, primary_key=True),
    Column("protocol", Integer, primary_key=True, autoincrement=False),
    Column("port", Integer, primary_key=True, autoincrement=False),
    Column(
        "first",
        Integer,
        ForeignKey("runs.number", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("last", Integer, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("service", Integer),  # a number of spell_services; NULL: not known
    Column("missed", LargeBinary),  # numbers of runs as a bit map; NULL: none
    sqlite_with_rowid=False,
)

spell_services = Table(
    "spell_services",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("label", Text, nullable=False, unique=True),
)

audits = Table(
    "audits",
    metadata,
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("lines", Integer, nullable=False),
    Column("head", Text, nullable=False),
    Column("printed_lines", Integer),  # as the report has it
    Column("printed_head", Text, nullable=False, default=""),
    Column("manifest_sha256", Text, nullable=False, default=""),  # empty: lines came after the seal
)

inventories = Table(
    "inventories",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("entries", LargeBinary, nullable=False),  # JSON lines, packed; see inventories.py
)

scans = Table(
    "scans",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("scanner", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("problem", Text, nullable=False),
    Column("findings", Integer, nullable=False),
    Column("outside", Integer, nullable=False),
    Column("nameless", Integer, nullable=False),
    UniqueConstraint("run", "sha256"),
)

scan_findings = Table(
    "scan_findings",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("scan", Integer, ForeignKey("scans.number", ondelete="CASCADE"), nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),  # 0: about the host
    Column("ident", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("cvss", Float),
    Column("cves", Text, nullable=False),  # with spaces between
    Column("seen", Float),
    Column("published", Float),
    Index(None, "scan"),
)

scan_spots = Table(
    "scan_spots",
    metadata,
    Column("scan", Integer, ForeignKey("scans.number", ondelete="CASCADE"), primary_key=True),
    Column("address", LargeBinary, primary_key=True),
    Column("protocol", Text, primary_key=True),
    Column("port", Integer, primary_key=True),  # 0: the host was assessed
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    Column("destination", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("filed", Float, nullable=False),
    Column("attempts", Integer, nullable=False),  # fences stale results
    Column("next_attempt", Float, nullable=False),
    Column("last_attempt", Float),
    Column("ended", Float),
    Column("total", Integer),  # NULL: not looked at yet
    Column("taken", Integer, nullable=False),
    Column("owed", Text, nullable=False),  # JSON list of places before ``taken``
    Column("digest", Text, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("because", Text, nullable=False),  # of what they were refused
    Column("problem", Text, nullable=False),
    UniqueConstraint("run", "destination"),
)
