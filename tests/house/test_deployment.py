"""What a city is given to run (image, compose file, units, alerts, guide) names what exists and keeps its promises."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from haulwatch import __version__
from haulwatch.bootstrap.jt808 import SECRET
from haulwatch.cli.main import VERBS, build_parser
from haulwatch.settings import SECRETS, ClusterSettings

ROOT = Path(__file__).parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DEVICES_TEXT = (ROOT / "docker-compose.devices.yml").read_text(encoding="utf-8")
DEVICES: dict[str, Any] = yaml.safe_load(DEVICES_TEXT)
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
GUIDE = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
SETTINGS = {f"HAULWATCH_{name.upper()}" for name in ClusterSettings.model_fields}
SETTINGS |= {f"HAULWATCH_{name.upper()}_FILE" for name in SECRETS}
OWN = ("setup", "gateway", "worker", "console")
SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for folder in ("haulwatch", "connectors", "streams")
    for path in sorted((ROOT / folder).rglob("*.py"))
)


def _filled(text: str) -> str:
    """A text with compose's variables replaced by their defaults, or by the example's value, or by a stand-in."""
    example = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))

    def value(found: re.Match[str]) -> str:
        name, operator, rest = found["name"], found["operator"], found["rest"]
        return rest if operator == ":-" else example.get(name) or "stand-in"

    return re.sub(r"\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<rest>[^}]*))?\}", value, text).replace("$$", "$")


def _commands(text: str) -> Iterator[list[str]]:
    """The arguments of every `haulwatch …` at the beginning of a line."""
    for line in text.splitlines():
        if re.match(r"\s*(?:\S*/)?haulwatch ", line):
            yield shlex.split(line)[1:]


def _parse(arguments: list[str]) -> None:
    """Parses as the command does. Variables of the shell become a number, which every option takes."""
    build_parser().parse_args([re.sub(r"^\$\w+$", "12", word) for word in arguments])


def _health_test(service: dict[str, Any]) -> list[str]:
    return list(service.get("healthcheck", {}).get("test", ()))


# -- images -----------------------------------------------------------------------------------------------------------


def test_every_image_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    images = [*bases, *(service["image"] for service in SERVICES.values())]
    assert len(bases) == 2
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+[a-z0-9.-]*|postgres:\d+\.\d+-\w+", image), image


def test_the_image_is_of_this_version() -> None:
    assert {SERVICES[name]["image"] for name in OWN} == {f"haulwatch:{__version__}"}
    assert f'org.opencontainers.image.version="{__version__}"' in DOCKERFILE


def test_nothing_is_fetched_from_a_host_of_our_choice() -> None:
    for text in (DOCKERFILE, COMPOSE_TEXT):
        assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host", text) == []


def test_the_image_is_built_from_the_lock_alone() -> None:
    assert re.search(r"pip install --require-hashes --only-binary :all: -r requirements\.lock", DOCKERFILE)
    assert re.search(r"pip install --no-deps --no-build-isolation \.", DOCKERFILE)
    assert "apt-get" not in DOCKERFILE


def test_the_image_runs_as_nobody_special_and_hears_signals() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^ENTRYPOINT \[\"haulwatch\"\]$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*/?CMD \[", final, re.MULTILINE)


def test_what_the_image_copies_reaches_it_and_exists() -> None:
    let_in = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == set(let_in)
    assert [name for name in sorted(copied) if not (ROOT / name).exists()] == []


def test_only_development_leaves_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import development_only as subject

    gone, kept = set(subject.development_only()), subject.needed()
    assert {"pytest", "mypy", "ruff", "playwright", "hatchling"} <= gone
    assert {"haulwatch", "faust-streaming", "aiokafka", "psycopg-binary", "uvicorn", "tzdata"} <= kept
    assert gone & kept == set()


# -- compose ----------------------------------------------------------------------------------------------------------


def test_every_service_tells_how_it_is_or_ends_by_itself() -> None:
    for name, service in SERVICES.items():
        one_shot = service["restart"] == "no"
        assert one_shot == (name == "setup")
        assert one_shot or _health_test(service)[0] in ("CMD", "CMD-SHELL"), name
        assert one_shot or service["restart"] == "unless-stopped"


def test_the_health_of_ours_is_asked_where_they_answer() -> None:
    for name in ("gateway", "worker", "console"):
        address = SERVICES[name]["command"][SERVICES[name]["command"].index("--http") + 1]
        environment = SERVICES[name]["environment"]
        assert address == f"0.0.0.0:{environment['HEALTH_PORT']}"
        assert environment["HEALTH_PATH"] in ("/healthz", "/readyz")
        compile(_health_test(SERVICES[name])[-1], name, "exec")
        assert json.dumps(_health_test(SERVICES[name])[-1]) in DOCKERFILE


def test_no_password_has_a_default() -> None:
    variables = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|TOKEN)\w*)(:?[-?]?)", COMPOSE_TEXT)
    assert variables
    assert {operator for _, operator in variables} == {":?"}
    assert re.findall(r"^\w*(?:PASSWORD|SECRET|TOKEN)\w*=(.*)$", EXAMPLE, re.MULTILINE) == ["", ""]
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name:
                assert str(value).startswith("${"), name
    assert re.findall(r"://\w+:(?!\$\{)\w+@", COMPOSE_TEXT) == []


def test_every_command_is_one_that_the_program_takes() -> None:
    for name in ("gateway", "worker", "console"):
        _parse([_filled(word) for word in SERVICES[name]["command"]])
    [script] = SERVICES["setup"]["command"]
    commands = list(_commands(_filled(script)))
    assert [command[:2] for command in commands] == [["topics", "create"], ["city", "deploy"]]
    for command in commands:
        _parse(command)


def test_every_setting_is_one_that_the_program_reads() -> None:
    given = {
        *re.findall(r"^ {2,}(HAULWATCH_\w+):", COMPOSE_TEXT, re.MULTILINE),
        *re.findall(r"HAULWATCH_\w+", DOCKERFILE),
    }
    assert given
    assert given - SETTINGS == set()


def test_every_variable_of_the_compose_file_is_in_the_example_and_the_other_way_round() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT + DEVICES_TEXT))
    assert used == set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))


def test_what_must_last_is_on_volumes() -> None:
    assert SERVICES["kafka"]["volumes"] == [f"kafka:{SERVICES['kafka']['environment']['KAFKA_LOG_DIRS']}"]
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql/data"]
    assert set(COMPOSE["volumes"]) == {"kafka", "postgres"}


def test_the_broker_keeps_records_as_workers_can_read_them() -> None:
    """Consoles and commands know gzip and zstd, workers more; foreign producers may send anything."""
    assert SERVICES["kafka"]["environment"]["KAFKA_COMPRESSION_TYPE"] == "gzip"
    assert "`compression.type=gzip`" in GUIDE


def test_only_gateway_and_console_are_published_and_the_console_to_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"gateway", "console"}
    assert all(_filled(port).startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert all(port.startswith("127.0.0.1:") for port in published["console"])
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert all(SERVICES[name]["networks"] == ["inside"] for name in ("kafka", "postgres", "worker", "setup"))


def test_what_is_ours_can_write_nothing_and_has_time_to_end() -> None:
    for name in OWN:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["init"] is True
    for name, service in SERVICES.items():
        assert service["logging"]["options"]["max-size"]
        assert name == "setup" or service["stop_grace_period"].endswith("s")


def test_devices_are_added_to_services_that_are_there() -> None:
    assert set(DEVICES["services"]) <= set(SERVICES)
    for name, service in DEVICES["services"].items():
        _parse([_filled(word) for word in service["command"]])
        before, with_devices = SERVICES[name]["command"], service["command"]
        assert with_devices[: len(before)] == before, "what the service did, and more"
        assert all(_filled(port).startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_pictures_are_on_a_volume_that_the_gateway_may_write() -> None:
    gateway = DEVICES["services"]["gateway"]
    folder = gateway["command"][gateway["command"].index("--pictures") + 1]
    assert f"pictures:{folder}" in gateway["volumes"]
    assert "pictures" in DEVICES["volumes"]
    assert re.search(rf"install -d -o haulwatch [^\n]*{folder}$", DOCKERFILE, re.MULTILINE)


def test_what_the_devices_file_gives_is_read() -> None:
    assert set(DEVICES["services"]["gateway"]["environment"]) == {f"{SECRET}_FILE"}


def test_they_start_in_order() -> None:
    for name in ("gateway", "worker", "console"):
        needs = {other: wait["condition"] for other, wait in SERVICES[name]["depends_on"].items()}
        assert needs["setup"] == "service_completed_successfully"
        assert needs["kafka"] == "service_healthy"
    assert SERVICES["console"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert SERVICES["worker"]["deploy"]["replicas"] == "${WORKERS:-2}"


# -- units, alerts, guide ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_what_exists_comes_again_and_is_shut_in(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    started = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert len(started) == 1
    [command] = _commands(started[0])
    assert command[0] in VERBS
    _parse([re.sub(r"%[iI]", "1", word) for word in command])
    kept = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert kept["Restart"] == "always"
    assert kept["ProtectSystem"] == "strict"
    assert kept["NoNewPrivileges"] == "yes"
    assert kept["User"] == "haulwatch"


def test_there_is_a_unit_for_each_process() -> None:
    assert {path.name for path in UNITS} == {
        "haulwatch-gateway.service",
        "haulwatch-worker@.service",
        "haulwatch-console.service",
    }


def _unknown(text: str) -> set[str]:
    """The figures named in a text that no process gives."""
    named = set(re.findall(r"\bhaulwatch_([a-z0-9_]+)", text))
    assert named
    written = set(re.findall(r'"([a-z0-9]+(?:_[a-z0-9]+)+|orders|trucks)"', SOURCES))
    counted = set(re.findall(r'counters\["([a-z_]+)"\]', SOURCES))
    given = written | {f"{of}_{name}_total" for name in counted for of in ("worker", "processor")}
    return {name for name in named if not {name, re.sub(r"_(?:bucket|sum|count)$", "", name)} & given}


def test_alerts_ask_for_figures_that_exist() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert rules
    assert _unknown(" ".join(rule["expr"] for rule in rules)) == set()
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "description"} <= set(rule["annotations"])
        assert re.search(r"[\u4e00-\u9fff]", rule["annotations"]["summary"])


def test_the_guide_knows_every_alert_and_asks_for_figures_that_exist() -> None:
    alerts = {rule["alert"] for group in ALERTS["groups"] for rule in group["rules"]}
    assert [name for name in sorted(alerts) if name not in GUIDE] == []
    assert _unknown(GUIDE) == set()


def test_the_guide_names_only_settings_that_exist() -> None:
    named = set(re.findall(r"HAULWATCH_[A-Z0-9_]*[A-Z0-9]", GUIDE + "".join(unit.read_text() for unit in UNITS)))
    assert named - SETTINGS == {"HAULWATCH_JT808_SECRET_FILE"}
    assert '"HAULWATCH_JT808_SECRET"' in SOURCES


def test_the_commands_of_the_guide_are_ones_that_the_program_takes() -> None:
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    lines = [line.split(" #")[0].rstrip() for block in blocks for line in block.splitlines()]
    commands = [command for line in lines for command in _commands(line.removeprefix("$ "))]
    assert len(commands) > 5
    for command in commands:
        _parse(command)
