"""What Milepost says of itself to Prometheus. Names and labels stand here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collector.cycle_report import CycleReport

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

RECEIVED = Counter("milepost_received", "Events, spans and log records accepted at a door.", ["door"])
REJECTED = Counter("milepost_rejected", "Events, spans and log records refused at a door.", ["door"])
REFUSED = Counter("milepost_refused", "Requests of those who may not, or do not say who they are", ["status"])
SOURCE_REQUESTS = Counter(
    "milepost_source_requests",
    "Requests of sources with an adapter: accepted, handshake, unauthenticated, withheld, throttled or refused.",
    ["source", "outcome"],
)
SOURCE_POLLS = Counter(
    "milepost_source_polls",
    "Times that a system was asked for one of its objects: asked, failed, or overtaken by another process.",
    ["source", "outcome"],
)
SOURCE_LETTERS = Counter(
    "milepost_source_dead_letters", "What a source sent that could not be mapped.", ["source", "reason"]
)
SOURCE_WAITING = Gauge(
    "milepost_source_requests_waiting", "Requests that are kept and have not become events.", ["source"]
)
OPEN_LETTERS = Gauge("milepost_dead_letters_open", "Dead letters that nobody has replayed or discarded.", ["source"])
RATE_LIMITED = Counter(
    "milepost_rate_limited_requests",
    "Requests answered 429 because a key or a source sends more than it may; who is one of very many is (others).",
    ["by", "name"],
)
SENT_AWAY = Counter(
    "milepost_connections_sent_away",
    "Connections of HTTP that were ended: slow_head, slow_body, slow_reader, idle, large_head, too_many.",
    ["why"],
)
THROTTLED = Counter("milepost_throttled_requests", "Requests answered 429 or 503.", ["door"])
LOG_COMMITS = Histogram("milepost_log_commit_seconds", "Time of one group commit of the log.", buckets=_FAST)
SPOOL_BYTES = Gauge("milepost_spool_bytes", "Bytes of the buffer on disk for what came while the database was away.")
SPOOL_RECORDS = Gauge("milepost_spool_records", "Events, spans and the like that wait in the buffer.")
SPOOL_OLDEST = Gauge("milepost_spool_oldest_seconds", "For how long the oldest has waited in the buffer, or 0.")
SPOOL_KEPT = Counter("milepost_spool_kept", "Events, spans and the like that were accepted into the buffer.")
SPOOL_DRAINED = Counter("milepost_spool_drained", "What was taken out of the buffer again: it is in the log.")
SPOOL_REFUSED = Counter("milepost_spool_refused", "Requests that were refused because the buffer was full.")
SPOOL_SET_ASIDE = Counter(
    "milepost_spool_set_aside", "What the database would not have out of the buffer; it lies in files of its own."
)
KAFKA_RECORDS = Counter("milepost_kafka_records", "Records of Kafka that are in the log or were set aside.", ["topic"])
KAFKA_PASSED_OVER = Counter(
    "milepost_kafka_passed_over_records", "Records of Kafka without a value, of which nothing is kept.", ["topic"]
)
KAFKA_LOST = Counter(
    "milepost_kafka_lost_records", "Records of Kafka that the brokers dropped before they were read.", ["topic"]
)
KAFKA_OVERTAKEN = Counter(
    "milepost_kafka_overtaken",
    "Batches of a partition that were let go because another consumer had appended it.",
    ["topic"],
)
KAFKA_LAG = Gauge(
    "milepost_kafka_lag_records",
    "Records of a partition of this consumer that are not in the log yet.",
    ["topic", "partition"],
)
PROJECTED = Counter("milepost_projected", "Events applied to instances.")
DUPLICATES = Counter("milepost_duplicates", "Events seen again with the same source and id.")
UNMATCHED = Counter("milepost_unmatched", "Events that no workflow asks for.")
DEAD_LETTERS = Counter("milepost_dead_letters", "Events set aside because they could not be used.", ["reason"])
PROJECTION = Histogram("milepost_projection_batch_seconds", "Time to apply one batch of events.", buckets=_FAST)
LAG = Gauge("milepost_projection_lag_seconds", "Age of the oldest event not yet applied; 0 when there is none.")
LAG_EVENTS = Gauge("milepost_projection_lag_events", "Events in the log not yet applied.")
EVALUATION = Histogram("milepost_evaluator_seconds", "Time of one sweep for passed deadlines.", buckets=_FAST)
BREACHES = Counter("milepost_breaches", "Instances that turned stuck.", ["workflow"])
INSTANCES = Gauge("milepost_instances", "Open instances.", ["workflow", "verdict"])
OBJECTIVE_GOOD = Gauge(
    "milepost_objective_good",
    "Good items or slices of an objective in the time of this length that ends with the last whole five minutes.",
    ["objective", "workflow", "window"],
)
OBJECTIVE_BAD = Gauge(
    "milepost_objective_bad",
    "Bad items or slices of an objective in the time of this length that ends with the last whole five minutes.",
    ["objective", "workflow", "window"],
)
OBJECTIVE_BUDGET_LEFT = Gauge(
    "milepost_objective_budget_left_ratio",
    "Share of the error budget of an objective that is left; negative when overspent, NaN when nothing was due.",
    ["objective", "workflow"],
)
RETENTION_ROWS = Counter("milepost_retention_dropped_rows", "Rows dropped because they are kept no longer.", ["class"])
RETENTION_BYTES = Counter("milepost_retention_freed_bytes", "Disk freed with whole parts of the log.", ["class"])
RETENTION_POSTPONED = Counter(
    "milepost_retention_postponed", "Runs that left something due for the next one.", ["class"]
)
DUTY_FAILURES = Counter("milepost_duty_failures", "Runs of a background duty that ended in an error.", ["duty"])
ROLE_ACTIVE = Gauge("milepost_role_active", "1 while this process does the work of a role, 0 else.", ["role"])
DEFINITIONS_DIFFER = Gauge(
    "milepost_definitions_differ", "1 while other definitions are in force than this process began with."
)
READ_REPLICA_USED = Gauge("milepost_read_replica_used", "1 while questions go to the replica, 0 else.")
READ_REPLICA_LAG = Gauge(
    "milepost_read_replica_lag_seconds",
    "How far what the replica has replayed is behind the primary; NaN while it is not read, 0 where there is none.",
)
READ_FALLBACKS = Counter(
    "milepost_read_fallbacks",
    "Questions that the primary answered in place of the replica: it was away, the read conflicted with replaying or "
    "failed, the answer must show what this process has just written, or is about a moment not replayed yet.",
    ["reason"],
)


def name_of(gauge: Gauge) -> str:
    """The name under which Prometheus finds it."""
    return next(iter(gauge.describe())).name


def note_cycle(report: CycleReport) -> None:
    """Count what one cycle of the projection did."""
    PROJECTED.inc(report.applied)
    DUPLICATES.inc(report.duplicates)
    UNMATCHED.inc(report.unmatched)
    DUTY_FAILURES.labels("projector").inc(report.failures)
    for reason, count in report.dead_letters.items():
        DEAD_LETTERS.labels(reason).inc(count)
    for workflow, count in report.breaches.items():
        BREACHES.labels(workflow).inc(count)
    if report.batch_seconds is not None:
        PROJECTION.observe(report.batch_seconds)
    if report.sweep_seconds is not None:
        EVALUATION.observe(report.sweep_seconds)
