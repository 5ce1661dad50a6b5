"""The front door: settings, the command line, start-up wiring, the demo. The only place that builds things."""
