"""One read-only overview of several installations, each with its own database (ADR 34)."""
