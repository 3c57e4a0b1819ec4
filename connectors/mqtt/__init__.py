"""Devices and platforms that publish to MQTT brokers: their topics, read with QoS 1 under a lasting session."""
