"""What Milepost begins is another program: gRPC prepares for no fork, and says nothing of it on the terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("said", "found"), [(None, "false"), ("true", "true")])
def test_whoever_starts_milepost_has_grpc_without_forks_unless_he_wants_them(said: str | None, found: str) -> None:
    name = "GRPC_ENABLE_FORK_SUPPORT"
    given = {key: value for key, value in os.environ.items() if key != name} | ({name: said} if said else {})
    asked = f"import os, sys, milepost; print(os.environ['{name}'], 'grpc' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, env=given, check=True)
    assert answer.stdout.split() == [found, "False"]
