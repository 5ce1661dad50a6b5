"""What was one instance and is several: keys that join too many, and events whose joining was rejected."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


_STATEMENTS = (
    """
    CREATE TABLE instance_split (
        instance_id uuid NOT NULL,
        part_id uuid NOT NULL,
        seq bigint NOT NULL,
        at timestamp with time zone NOT NULL,
        CONSTRAINT pk_instance_split PRIMARY KEY (instance_id, part_id, seq)
    )
    """,
    "CREATE INDEX ix_instance_split_part_id ON instance_split (part_id)",
    """
    CREATE TABLE hub_key (
        workflow text NOT NULL,
        namespace text NOT NULL,
        value text NOT NULL,
        seq bigint NOT NULL,
        at timestamp with time zone NOT NULL,
        instances integer NOT NULL,
        CONSTRAINT pk_hub_key PRIMARY KEY (workflow, namespace, value)
    )
    """,
    """
    CREATE TABLE rejected_join (
        workflow text NOT NULL,
        event_key uuid NOT NULL,
        instance_id uuid NOT NULL,
        event_seq bigint NOT NULL,
        event_received_at timestamp with time zone NOT NULL,
        seq bigint NOT NULL,
        at timestamp with time zone NOT NULL,
        "by" text NOT NULL,
        reason text NOT NULL,
        accepted_at timestamp with time zone,
        CONSTRAINT pk_rejected_join PRIMARY KEY (workflow, event_key, seq)
    )
    """,
    "CREATE INDEX ix_rejected_join_instance_id ON rejected_join (instance_id)",
)


def upgrade() -> None:
    """Three tables; a rebuild fills them for what came before."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
