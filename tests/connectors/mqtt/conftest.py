"""A real Mosquitto."""

from tests.mosquitto.fixtures import mosquitto, own_mosquitto

__all__ = ["mosquitto", "own_mosquitto"]
