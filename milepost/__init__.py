"""The front door: settings, the command line, start-up wiring, the demo. The only place that builds things."""

import os

# A process that Milepost begins is another program, in which nobody speaks gRPC. What gRPC would prepare for a fork
# cannot be prepared while it serves, and it would say so on the terminal. It reads this when it is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
