"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Sized
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from collector.store.online import SchemaBlocked
from milepost.alert_commands import alert_commands
from milepost.audit_commands import audit_commands
from milepost.database_commands import database_commands, rebuild
from milepost.doctor_command import doctor
from milepost.forget_command import forget
from milepost.instance_commands import instance_commands
from milepost.key_commands import key_commands
from milepost.letter_commands import letter_commands
from milepost.options import (
    Auth,
    CompressAfter,
    Config,
    DatabaseUrl,
    DataDir,
    DefinitionPaths,
    Insecure,
    OtlpGrpcPort,
    RatePerKey,
    RatePerSource,
    ReadDatabaseUrl,
    RetentionAudit,
    RetentionBuckets,
    RetentionEvents,
    RetentionInstances,
    RetentionSpans,
    Since,
    SpoolDir,
    SpoolLimit,
    TlsCert,
    TlsKey,
    fail,
    read_settings,
    refuse_exposed,
)
from milepost.report_command import report_commands
from milepost.role_commands import (
    Host,
    KafkaBrokers,
    KafkaGroup,
    KafkaProduce,
    KafkaTopic,
    LogFormat,
    LogLevel,
    Port,
    PrivateHosts,
    PublicUrl,
    role_commands,
    run,
)
from milepost.settings import Settings
from milepost.source_commands import source_commands
from milepost.user_commands import user_commands
from slo_rules import compiled
from slo_rules.faults import DefinitionError, Severity
from slo_rules.reading import suggestion
from slo_rules.workflow import Definitions

app = typer.Typer(
    name="milepost",
    help="Watches the business processes that run across systems, and says what is stuck, since when and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class GraphForm(StrEnum):
    """How a graph is printed."""

    TABLE = "table"
    JSON = "json"
    DOT = "dot"


class ReportForm(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"


class DiffForm(StrEnum):
    """How a comparison is printed."""

    TEXT = "text"
    JSON = "json"


class ExportForm(StrEnum):
    """What objectives are exported as."""

    OPENSLO = "openslo"
    PROMETHEUS = "prometheus"


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"milepost {version('milepost')}, compiled core: {compiled.SAID}")
        raise typer.Exit


@app.callback()
def milepost(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and how the core runs.")
    ] = False,
) -> None:
    """Watches the business processes that run across systems, and says what is stuck, since when and why."""


@app.command()
def serve(
    database_url: DatabaseUrl = None,
    read_database_url: ReadDatabaseUrl = None,
    data_dir: DataDir = None,
    spool_dir: SpoolDir = None,
    spool_limit: SpoolLimit = None,
    definitions: DefinitionPaths = None,
    host: Host = None,
    port: Port = None,
    otlp_grpc_port: OtlpGrpcPort = None,
    public_url: PublicUrl = None,
    private_hosts: PrivateHosts = None,
    auth: Auth = None,
    insecure: Insecure = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    retention_events: RetentionEvents = None,
    retention_spans: RetentionSpans = None,
    retention_instances: RetentionInstances = None,
    retention_buckets: RetentionBuckets = None,
    retention_audit: RetentionAudit = None,
    compress_after: CompressAfter = None,
    rate_per_key: RatePerKey = None,
    rate_per_source: RatePerSource = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    kafka_brokers: KafkaBrokers = None,
    kafka_topic: KafkaTopic = None,
    kafka_group: KafkaGroup = None,
    kafka_produce: KafkaProduce = None,
    config: Config = None,
) -> None:
    """Run every role in one process: collector, projector, notifier, dashboard; with a topic of Kafka, consumer."""
    run(read_settings(**locals()))


@app.command()
def demo(
    data_dir: Annotated[Path | None, typer.Option(help="Keep the data here; a second run goes on from it.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another enterprise; the same seed gives the same one.")] = None,
    days: Annotated[int, typer.Option(help="Days of history to send first.", min=1, max=60)] = 7,
    host: Host = None,
    port: Port = None,
    otlp_grpc_port: OtlpGrpcPort = None,
    insecure: Insecure = None,
) -> None:
    """Run Milepost beside a simulated enterprise: seven days of history first, then live, with faults to find."""
    settings = read_settings(
        None, data_dir=data_dir, host=host, port=port, otlp_grpc_port=otlp_grpc_port, insecure=insecure,
        log_level="warning",
    )  # fmt: skip
    refuse_exposed(settings)
    from collector.ingest.otlp_grpc import PortTaken
    from milepost.demonstration import Demonstration

    try:
        Demonstration(settings, seed=seed, days=days, keep=data_dir is not None).run()
    except PortTaken as error:
        raise fail(f"OTLP/gRPC cannot be taken at {error}") from error


@app.command(name="import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CloudEvents .jsonl, .csv with --mapping, .xes, OCEL .jsonocel, .xmlocel, .sqlite; each also as .gz."
        ),
    ],
    workflow: Annotated[str, typer.Option(help="The workflow the events belong to.")],
    mapping: Annotated[Path | None, typer.Option(help="For CSV: which column is what, as YAML.")] = None,
    source: Annotated[
        str | None, typer.Option(help="The source the events get; default: format and file name.")
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    definitions: DefinitionPaths = None,
    config: Config = None,
) -> None:
    """Import history from a file. An interrupted import goes on where it stopped; twice is once."""
    settings = read_settings(
        config, database_url=database_url, data_dir=data_dir, definitions=definitions, log_level="warning"
    )
    from collector.ingest.files import UnreadableFile
    from milepost.upkeep import import_file

    try:
        lines = import_file(settings, file, workflow, source, mapping)
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error
    except (UnreadableFile, ValueError, OSError) as error:
        raise fail(f"{file} cannot be imported: {error}") from error
    typer.echo("\n".join(lines))


@app.command()
def discover(
    file: Annotated[
        Path | None, typer.Argument(help="A file as for import; without one, what is stored in the database.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="A path that names the case, such as data.order_id; may be repeated; 'a,b' are one key."),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="For CSV: which column is what, as YAML.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only sources that begin so; may be repeated.")] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Only types that begin so; may be repeated.")
    ] = None,
    since: Since = None,
    limit: Annotated[
        int, typer.Option(help="The most events to look at; of the database the newest.", min=1)
    ] = 500_000,
    draft: Annotated[
        Path | None, typer.Option(help="Write a draft definition to this new file; '-' prints it and nothing else.")
    ] = None,
    coverage: Annotated[
        float, typer.Option(help="Draft and draw only what this share of the cases does.", min=0, max=1)
    ] = 0.05,
    percentile: Annotated[
        float, typer.Option(help="How many of 100 cases keep a drafted deadline.", min=1, max=100)
    ] = 95,
    form: Annotated[GraphForm, typer.Option("--format", help="How to print what was found.")] = GraphForm.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Learn from events what follows what and how long it takes; draft a definition of it."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.ingest.files import UnreadableFile
    from milepost.discovering import NothingDiscovered, question_of
    from milepost.discovering import discover as run
    from milepost.discovery_views import printed
    from milepost.stored_data import NoStoredData

    if draft is not None and draft != Path("-") and draft.exists():
        raise fail(f"There is a file {draft} already: a draft never replaces what somebody may have edited.")
    try:
        question = question_of(key or (), since, limit, source or (), type_ or (), coverage, percentile, file, mapping)
        found = run(settings, question)
        if draft is not None and draft != Path("-"):
            with draft.open("x", encoding="utf-8") as written:
                written.write(found.draft)
    except (NothingDiscovered, NoStoredData, ValueError) as error:
        raise fail(str(error)) from error
    except UnreadableFile as error:
        raise fail(f"{file} cannot be read: {error}") from error
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}") from error
    typer.echo(found.draft if draft == Path("-") else printed(found, form, coverage), nl=draft != Path("-"))


@app.command()
def coverage(
    since: Since = None,
    limit: Annotated[int, typer.Option(help="The most events and instances to look at, the newest.", min=1)] = 100_000,
    form: Annotated[ReportForm, typer.Option("--format", help="How to print the report.")] = ReportForm.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    definitions: DefinitionPaths = None,
    config: Config = None,
) -> None:
    """Hold definitions against what arrives: what they wait for in vain, and what means nothing to them."""
    settings = read_settings(
        config, database_url=database_url, data_dir=data_dir, definitions=definitions, log_level="warning"
    )
    from milepost.coverage_views import printed
    from milepost.covering import NothingToCover, cover
    from milepost.stored_data import NoStoredData

    try:
        covered = cover(settings, since, limit)
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error
    except (NothingToCover, NoStoredData, ValueError) as error:
        raise fail(str(error)) from error
    typer.echo(printed(covered, form))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Folders or files of definitions; 'packs' are the shipped ones.")],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail the check too; hints do not.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Say what they would change for what is stored; ends with 2 if anything.")
    ] = False,
    workflow: Annotated[str | None, typer.Option(help="With --diff: only this workflow.")] = None,
    limit: Annotated[int, typer.Option(help="With --diff: the most examples of each change.", min=0)] = 3,
    form: Annotated[DiffForm, typer.Option("--format", help="With --diff: how to print it.")] = DiffForm.TEXT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Find all faults of definition files at once, and what is likely not meant, each with file, line and path.

    With --diff also what they would change: which workflows, and how their open instances would stand. It only reads.
    """
    from milepost.definition_files import find_warnings
    from milepost.definition_tests import read_with_tests

    try:
        definitions, tests = read_with_tests(paths)
    except DefinitionError as error:
        raise _faulty(error, code=1) from error
    findings = find_warnings(paths, definitions)
    # With JSON there is nothing else on standard output.
    aside = diff and form is DiffForm.JSON
    for finding in findings:
        typer.echo(str(finding), err=aside)
    read: dict[str, Sized] = {
        "workflow": definitions.workflows,
        "objective": definitions.objectives,
        "calendar": definitions.calendars,
        "source": definitions.sources,
        "route": definitions.routes,
        "test": tests,
    }
    said = (f"{len(found)} {kind}{'' if len(found) == 1 else 's'}" for kind, found in read.items())
    typer.echo(f"No faults: {', '.join(said)}.", err=aside)
    if diff:
        settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
        changes = _compare(settings, definitions, workflow, limit, form)
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    if strict and warnings:
        raise fail(f"{warnings} warning{'s' if warnings != 1 else ''}.")
    if diff and changes:
        raise typer.Exit(2)


def _compare(settings: Settings, definitions: Definitions, workflow: str | None, limit: int, form: DiffForm) -> bool:
    """Print what the definitions would change; whether any open instance would stand otherwise."""
    from milepost.comparing import NothingToCompare, compare
    from milepost.comparison_views import printed
    from milepost.stored_data import NoStoredData

    def told(name: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r\x1b[K{name}: {done:,} of {total:,} open instances\r", err=True, nl=False)

    try:
        compared = compare(settings, definitions, workflow, limit, told)
    except (NothingToCompare, NoStoredData) as error:
        raise fail(str(error)) from error
    typer.echo(printed(compared, form))
    return compared.changes_instances


@app.command()
def backtest(
    paths: Annotated[list[Path], typer.Argument(help="Folders or files of definitions; 'packs' are the shipped ones.")],
    since: Annotated[str, typer.Option(help="From then on: 30d, 2026-11-21 or 2026-11-21T09:00:00Z.")] = "30d",
    workflow: Annotated[str | None, typer.Option(help="Only this workflow.")] = None,
    limit: Annotated[int, typer.Option(help="The most instances to tell of each difference.", min=0)] = 3,
    form: Annotated[DiffForm, typer.Option("--format", help="How to print it.")] = DiffForm.TEXT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Run definition files over the stored history, and say what would have been otherwise. It only reads.

    Which verdicts would have come when, what would have been stuck and for how long, what each objective would have
    come to, and which alerts would have fired. Ends with 2 if anything would have been otherwise.
    """
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.backtest import TooMuchHistory
    from milepost.backtest_views import printed
    from milepost.backtesting import NothingToBacktest
    from milepost.backtesting import backtest as run
    from milepost.definition_files import read_definitions
    from milepost.progress_bar import progress_told
    from milepost.stored_data import NoStoredData

    try:
        definitions = read_definitions(paths)
        with progress_told() as told:
            backtested = run(settings, definitions, since, workflow, limit, told)
    except DefinitionError as error:
        raise _faulty(error, code=1) from error
    except (NothingToBacktest, TooMuchHistory, NoStoredData) as error:
        raise fail(str(error)) from error
    typer.echo(printed(backtested, form))
    if backtested.differs:
        raise typer.Exit(2)


@app.command()
def schema(
    kind: Annotated[str | None, typer.Option(help="Of this kind only, such as Workflow.")] = None,
) -> None:
    """Print the JSON Schema of definition files, for the completion and the hover texts of editors."""
    from slo_rules.definition_schema import definition_schema, spell_schema
    from slo_rules.definitions import KINDS

    if kind is not None and kind not in KINDS:
        raise fail(f"There is no kind {kind!r}: {', '.join(KINDS)}.")
    typer.echo(spell_schema(definition_schema(kind)), nl=False)


@app.command()
def export(
    form: Annotated[ExportForm, typer.Argument(help="openslo: OpenSLO v1; prometheus: recording and alerting rules.")],
    paths: Annotated[list[Path], typer.Argument(help="Folders or files of definitions; 'packs' are the shipped ones.")],
) -> None:
    """Print the objectives of definition files in the form that other programs read."""
    from milepost.definition_files import read_definitions
    from milepost.prometheus_rules import prometheus_rules
    from slo_rules.openslo_export import NotExpressible, export_openslo

    try:
        definitions = read_definitions(paths)
        if not definitions.objectives:
            raise fail("There are no objectives: nothing is exported.")
        if form is ExportForm.OPENSLO:
            typer.echo(export_openslo(definitions), nl=False)
        else:
            typer.echo(prometheus_rules(definitions.objectives.values()), nl=False)
    except DefinitionError as error:
        raise _faulty(error, code=1) from error
    except NotExpressible as error:
        raise fail(str(error)) from error


@app.command(name="test")
def run_tests(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders or files of definitions and tests; 'packs' are the shipped ones; default: here."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the results to this file too, as JUnit XML.")] = None,
    only: Annotated[str | None, typer.Option(help="Run the tests of this name; * stands for anything.")] = None,
) -> None:
    """Run the tests of definitions (*.test.yaml) on a virtual clock. Ends with 1 if one fails, with 2 if none can."""
    from fnmatch import fnmatchcase

    from milepost.definition_test_report import as_junit, in_words
    from milepost.definition_tests import read_with_tests, run

    try:
        definitions, tests = read_with_tests(paths or [Path()])
    except DefinitionError as error:
        raise _faulty(error, code=2) from error
    if not tests:
        raise fail("There are no tests: they stand in files named *.test.yaml.", code=2)
    chosen = [one for one in tests if only is None or fnmatchcase(one.name, only)]
    if not chosen:
        raise fail(f"There is no test {only!r}{suggestion(only or '', [one.name for one in tests])}", code=2)
    outcomes = run(chosen, definitions)
    if junit is not None:
        try:
            junit.write_bytes(as_junit(outcomes))
        except OSError as error:
            raise fail(f"{junit} cannot be written: {error.strerror}", code=2) from error
    typer.echo(in_words(outcomes))
    if any(outcome.failures for outcome in outcomes):
        raise typer.Exit(1)


def _faulty(error: DefinitionError, *, code: int) -> typer.Exit:
    return fail(f"{error}\n{len(error.faults)} fault{'s' if len(error.faults) != 1 else ''}.", code=code)


app.add_typer(role_commands)
app.command()(rebuild)
app.command()(forget)
app.command()(doctor)
app.add_typer(database_commands, name="db")
app.add_typer(source_commands, name="sources")
app.add_typer(letter_commands, name="dead-letters")
app.add_typer(alert_commands, name="alerts")
app.add_typer(report_commands)
app.add_typer(key_commands, name="keys")
app.add_typer(user_commands, name="users")
app.add_typer(audit_commands, name="audit")
# They stand last in the help.
app.add_typer(instance_commands)


def main() -> None:
    """The console script."""
    try:
        app()
    except SchemaBlocked as blocked:
        # Any command that opens the database may bring its schema up to date first.
        sys.exit(str(blocked))
    except msgspec.DecodeError as error:
        from collector.catalogue import VersionsUnreadable

        if not isinstance(error, VersionsUnreadable):
            raise
        sys.exit(str(error))


if __name__ == "__main__":
    main()
