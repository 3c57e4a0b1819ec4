"""How this project's plain Kafka clients (kafka-python) connect: one place for addresses, encryption and login."""

from __future__ import annotations

from typing import Any

from haulwatch.settings import ClusterSettings


def client_options(settings: ClusterSettings) -> dict[str, Any]:
    """Keyword arguments that every kafka-python client takes. Raises WorldError where no broker is named."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.brokers,
        "client_id": "haulwatch",
        "security_protocol": settings.kafka_security,
        # Seconds, not half a minute, until a broker that came back is found again.
        "reconnect_backoff_max_ms": 2_000,
        "metrics_enabled": False,
    }
    if settings.kafka_ca_file is not None:
        options["ssl_cafile"] = str(settings.kafka_ca_file)
    if settings.kafka_security.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password,
        }
    return options
