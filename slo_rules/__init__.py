"""What was promised: definitions, matching, progress, verdicts and SLI arithmetic — pure, no I/O, no clock.

Instants are `int` microseconds since the Unix epoch, UTC ("micros"); durations are `int` microseconds.
"""

# First of all, as it decides in which form the others are loaded.
from slo_rules import compiled as compiled
