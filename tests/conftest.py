from __future__ import annotations

pytest_plugins = ["tests.examples", "tests.fix_postgres"]
