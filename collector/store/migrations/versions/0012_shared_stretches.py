"""Several projectors share a stretch of the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Two small tables; nothing that is there is touched."""
    op.create_table(
        "shared_stretch",
        sa.Column("after", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("said", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "stretch_share",
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("duplicates", JSONB, nullable=False, server_default=sa.text("'{}'")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
