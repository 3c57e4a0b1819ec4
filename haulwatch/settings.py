"""What an operator sets for a cluster's processes: where Kafka and the database are, and how to be let in.

Every setting has an environment variable, `HAULWATCH_` and its name in capitals; a command's option wins over it.
Secrets can also be given as a file (`HAULWATCH_KAFKA_PASSWORD_FILE`, `HAULWATCH_DATABASE_FILE`,
`HAULWATCH_GATEWAY_TOKENS_FILE`), as Docker does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.topics import DEFAULT_PREFIX, Topics

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SECRETS = ("kafka_password", "database", "gateway_tokens")


class ClusterSettings(BaseModel):
    """Of one process. `kafka` is `host:port,host:port`; `database` an SQLAlchemy URL; `gateway_tokens` are lines of
    `NAME TOKEN`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka: str = ""
    topic_prefix: str = DEFAULT_PREFIX
    kafka_security: SecurityProtocol = "PLAINTEXT"
    kafka_mechanism: SaslMechanism = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: str = ""
    kafka_ca_file: Path | None = None
    database: str = ""
    gateway_tokens: str = ""
    log_format: Literal["json", "text"] = "text"

    @property
    def topics(self) -> Topics:
        """The topic names."""
        return Topics(self.topic_prefix)

    @property
    def brokers(self) -> list[str]:
        """The bootstrap servers. Raises WorldError where none is named."""
        brokers = [name.strip() for name in self.kafka.split(",") if name.strip()]
        if not brokers:
            raise WorldError(
                Text(
                    "没有指定 Kafka：用 --kafka HOST:PORT 或环境变量 HAULWATCH_KAFKA",
                    "no Kafka given: use --kafka HOST:PORT or the environment variable HAULWATCH_KAFKA",
                )
            )
        return brokers


def cluster_settings(environment: Mapping[str, str] | None = None, **given: str | None) -> ClusterSettings:
    """Settings from the environment; what is `given` (and not None) wins. Raises WorldError that names the setting."""
    environment = os.environ if environment is None else environment
    values: dict[str, str] = {}
    for name in ClusterSettings.model_fields:
        variable = f"HAULWATCH_{name.upper()}"
        if environment.get(variable):
            values[name] = environment[variable]
        elif name in SECRETS and environment.get(f"{variable}_FILE"):
            values[name] = _secret(f"{variable}_FILE", Path(environment[f"{variable}_FILE"]))
    values.update({name: value for name, value in given.items() if value is not None})
    try:
        return ClusterSettings.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise WorldError(
            Text(
                f"设置 {name}（HAULWATCH_{name.upper()}）不合要求：{problem['msg']}",
                f"setting {name} (HAULWATCH_{name.upper()}): {problem['msg']}",
            )
        ) from error


def _secret(variable: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WorldError(
            Text(f"读不到 {variable} 指的文件 {path}：{error}", f"cannot read {path}, named by {variable}: {error}")
        ) from error
