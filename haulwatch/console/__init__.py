"""The console: HTTP API, live stream and the dispatcher's page. Knows the rest of the system only through `ports`."""
