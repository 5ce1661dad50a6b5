"""What happened: ingest, identity, projection into the store, the store itself, the query API, background duties."""
