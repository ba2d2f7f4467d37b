"""Vulnerability scans of others beside a run"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scans",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("scanner", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started", sa.Float(), nullable=True),
        sa.Column("ended", sa.Float(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("outside", sa.Integer(), nullable=False),
        sa.Column("nameless", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.number"], name=op.f("fk_scans_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_scans")),
        sa.UniqueConstraint("run", "sha256", name=op.f("uq_scans_run_sha256")),
    )
    op.create_table(
        "scan_findings",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("scan", sa.Integer(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("ident", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("cvss", sa.Float(), nullable=True),
        sa.Column("cves", sa.Text(), nullable=False),
        sa.Column("seen", sa.Float(), nullable=True),
        sa.Column("published", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["scan"], ["scans.number"], name=op.f("fk_scan_findings_scan"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_scan_findings")),
    )
    op.create_index(op.f("ix_scan_findings_scan"), "scan_findings", ["scan"])
    op.create_table(
        "scan_spots",
        sa.Column("scan", sa.Integer(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["scan"], ["scans.number"], name=op.f("fk_scan_spots_scan"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scan", "address", "protocol", "port", name=op.f("pk_scan_spots")),
    )
