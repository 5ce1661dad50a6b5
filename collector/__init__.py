"""What happened: ingest, identity, projection into the store, the store itself, the query API, background duties."""

# Before any part of the collector: it decides in which form they are loaded.
from slo_rules import compiled as compiled
