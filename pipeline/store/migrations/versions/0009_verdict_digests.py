"""What each host of a run says, in sixteen bytes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Whoever writes a verdict, by whatever way: the digests of that run hold no more.
TRIGGERS = (
    "CREATE TRIGGER verdict_filed AFTER INSERT ON verdicts "
    "BEGIN DELETE FROM verdict_digests WHERE run = NEW.run; END",
    "CREATE TRIGGER verdict_changed AFTER UPDATE ON verdicts "
    "BEGIN DELETE FROM verdict_digests WHERE run IN (OLD.run, NEW.run); END",
    "CREATE TRIGGER verdict_dropped AFTER DELETE ON verdicts "
    "BEGIN DELETE FROM verdict_digests WHERE run = OLD.run; END",
)


def upgrade() -> None:
    # Runs that are already there get none: they are compared verdict by verdict.
    op.create_table(
        "verdict_digests",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.number"], name=op.f("fk_verdict_digests_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "address", name=op.f("pk_verdict_digests")),
        sqlite_with_rowid=False,
    )
    for trigger in TRIGGERS:
        op.execute(trigger)
