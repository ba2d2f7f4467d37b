"""The history as spells, and runs whose evidence was dropped"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spells",
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("protocol", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("port", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("service", sa.Integer(), nullable=True),
        sa.Column("missed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["first"], ["runs.number"], name=op.f("fk_spells_first"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("address", "protocol", "port", "first", name=op.f("pk_spells")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spell_services",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_spell_services")),
        sa.UniqueConstraint("label", name=op.f("uq_spell_services_label")),
    )
    # Zero: the spells of runs that are already there are filed when they are first needed.
    op.add_column("runs", sa.Column("remembered", sa.Integer(), server_default="0", nullable=False))
    op.add_column("runs", sa.Column("purged", sa.Float(), nullable=True))
    op.add_column("comparisons", sa.Column("counts", sa.Text(), nullable=True))
