"""What refused in a sweep, how slowly a task asks, and from which port we asked"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("ports", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task"], ["tasks.number"], name=op.f("fk_refusals_task"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_refusals")),
    )
    op.create_index(op.f("ix_refusals_task"), "refusals", ["task"], unique=False)
    op.add_column("tasks", sa.Column("pace", sa.Float(), server_default="0", nullable=False))
    op.add_column("observations", sa.Column("source_port", sa.Integer(), nullable=True))
