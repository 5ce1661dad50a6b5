"""Keys, people, sessions and the audit log, which nobody may change."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS api_key (
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        scopes TEXT[] NOT NULL,
        digest BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_by TEXT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        revoked_at TIMESTAMP WITH TIME ZONE,
        last_used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_api_key PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX IF NOT EXISTS ix_api_key_name ON api_key (name)",
    """
    CREATE TABLE IF NOT EXISTS person (
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        password TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        disabled_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_person PRIMARY KEY (name),
        CONSTRAINT ck_person_role_known CHECK (role IN ('viewer', 'operator', 'admin'))
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS session (
        digest BYTEA NOT NULL,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        how TEXT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_session PRIMARY KEY (digest),
        CONSTRAINT ck_session_role_known CHECK (role IN ('viewer', 'operator', 'admin'))
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS audit (
        number BIGINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        actor TEXT NOT NULL,
        how TEXT NOT NULL,
        address TEXT NOT NULL,
        action TEXT NOT NULL,
        object TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        previous BYTEA NOT NULL,
        hash BYTEA NOT NULL,
        CONSTRAINT pk_audit PRIMARY KEY (number)
    )
    """,
    """
    CREATE OR REPLACE FUNCTION milepost_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION milepost_audit_stays()
    """,
)


def upgrade() -> None:
    """New tables, in which there is nothing yet. Twice is once."""
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
