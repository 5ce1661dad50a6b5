"""Definitions that are kept say deadlines and what comes after what in their present form.

A milestone may come after several others, and its deadline has terms of its own.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rewrite the bodies; what they mean stays the same, and so do their versions."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT workflow, version, body::text FROM definition")).fetchall()
    for workflow, version, text in rows:
        body = json.loads(text)
        for milestone in body["milestones"]:
            after, warn, breach = (milestone.pop(name, None) for name in ("after", "warn", "breach"))
            milestone["after"] = [] if after is None else [after]
            if breach is not None:
                milestone["deadline"] = {"start": None, "warn": warn, "breach": breach}
        connection.execute(
            sa.text(
                "UPDATE definition SET body = cast(:body AS jsonb) WHERE workflow = :workflow AND version = :version"
            ),
            {"body": json.dumps(body), "workflow": workflow, "version": version},
        )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
