"""Positions that a Traccar server forwards, over HTTP or through a Kafka topic."""
