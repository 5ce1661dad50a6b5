from __future__ import annotations

pytest_plugins = [
    "tests.examples",
    "tests.order",
    "tests.fix_kafka",
    "tests.fix_postgres",
    "tests.fix_replica",
    "tests.fix_outage",
]
