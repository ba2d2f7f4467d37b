"""Runs that engagements are measured by"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "baselines",
        sa.Column("engagement", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.number"], name=op.f("fk_baselines_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("engagement", name=op.f("pk_baselines")),
    )
