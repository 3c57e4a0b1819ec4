"""The HTTP API below /api/v1, one resource a file; each `router(…)` is given exactly the ports that it uses."""
