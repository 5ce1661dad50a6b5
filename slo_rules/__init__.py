"""What was promised: definitions, matching, progress, verdicts and SLI arithmetic — pure, no I/O, no clock.

Instants are `int` microseconds since the Unix epoch, UTC ("micros"); durations are `int` microseconds.
"""
