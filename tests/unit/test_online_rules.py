"""What a migration may not do to a table in use, and what it may."""

from __future__ import annotations

import pytest

from tests.online_rules import faults_of

REFUSED = [
    "CREATE INDEX ix_a ON instance (title)",
    "CREATE UNIQUE INDEX IF NOT EXISTS ix_a ON public.instance_key USING btree (value)",
    "CREATE INDEX ix_a ON event (source)",
    "CREATE INDEX ix_a ON event_20261116 (source)",
    "ALTER TABLE instance ALTER COLUMN title TYPE varchar(10)",
    "ALTER TABLE instance\n  ALTER title SET DATA TYPE varchar",
    'ALTER TABLE "instance_event" ADD COLUMN at timestamptz DEFAULT clock_timestamp()',
    "ALTER TABLE instance ADD COLUMN IF NOT EXISTS no uuid NOT NULL DEFAULT gen_random_uuid()",
    "ALTER TABLE instance ADD COLUMN number bigserial",
    "ALTER TABLE instance ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE instance ADD COLUMN lower text GENERATED ALWAYS AS (lower(title)) STORED",
    "ALTER TABLE instance ADD COLUMN more bigint NOT NULL",
    "ALTER TABLE instance ADD CONSTRAINT small CHECK (length(title) < 10)",
    "ALTER TABLE instance_key ADD CONSTRAINT fk FOREIGN KEY (instance_id) REFERENCES instance (id)",
    "ALTER TABLE verdict_change ADD CONSTRAINT u UNIQUE (instance_id, at)",
    "ALTER TABLE instance ALTER COLUMN owner SET NOT NULL",
    "ALTER TABLE span SET UNLOGGED",
    "UPDATE instance SET title = upper(title)",
    "DELETE FROM instance_event",
    "VACUUM (FULL) instance",
    "CLUSTER instance USING pk_instance",
    "LOCK TABLE instance IN ACCESS EXCLUSIVE MODE",
    "DO $$ BEGIN EXECUTE 'anything'; END $$",
]

ALLOWED = [
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_a ON instance (title)",
    "CREATE INDEX ix_a ON ONLY event (source)",
    "CREATE INDEX ix_a ON retention (class)",
    "ALTER TABLE instance ADD COLUMN more bigint",
    "ALTER TABLE instance ADD COLUMN IF NOT EXISTS more bigint NOT NULL DEFAULT 0",
    "ALTER TABLE instance ADD COLUMN at timestamptz DEFAULT now()",
    "ALTER TABLE instance ADD CONSTRAINT small CHECK (length(title) < 10) NOT VALID",
    "ALTER TABLE instance VALIDATE CONSTRAINT small",
    "ALTER TABLE instance ADD CONSTRAINT u UNIQUE USING INDEX ix_u",
    "ALTER TABLE instance SET (fillfactor = 70)",
    "ALTER TABLE instance DROP COLUMN IF EXISTS more",
    "ALTER TABLE projection ALTER COLUMN name TYPE varchar",
    "UPDATE projection SET seq = 0",
    "UPDATE instance SET title = upper(title) WHERE id = ANY (%(ids)s)",
    "DELETE FROM instance /* online: everything is derived anew, and the release says so */",
    "SELECT 'CREATE INDEX ix_a ON instance (title)'",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_rewrites_or_locks_for_long_is_refused(statement: str) -> None:
    (fault,) = faults_of([statement])
    assert " ".join(statement.split())[:20] in fault


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_is_quick_is_allowed(statement: str) -> None:
    assert faults_of([statement]) == []


def test_what_a_migration_makes_itself_is_in_nobodys_way() -> None:
    index = "CREATE INDEX ix_a ON dead_letter (source)"
    assert faults_of(["CREATE TABLE IF NOT EXISTS dead_letter (source text)", index]) == []
    assert len(faults_of([index, "CREATE TABLE dead_letter (source text)"])) == 1


def test_all_faults_are_named() -> None:
    both = "ALTER TABLE instance ALTER title TYPE varchar, ADD COLUMN at timestamptz DEFAULT clock_timestamp()"
    assert len(faults_of([both, "CLUSTER instance"])) == 3
