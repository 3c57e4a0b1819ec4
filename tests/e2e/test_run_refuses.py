"""`haulwatch run` that cannot: one sentence and the right exit code, never a traceback."""

from __future__ import annotations

import logging
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulwatch.bootstrap import embedded, load_city
from haulwatch.bootstrap.embedded import BreachForwarder
from haulwatch.cli.main import main
from haulwatch.dispatch.store import open_store
from haulwatch.domain.errors import WorldError
from haulwatch.testing import city_files_of
from streams.local_log import Claim
from tests.e2e.embedded import Running, free_port


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    for name, content in city_files_of().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Of signals; and of the log none that another command has left, whose standard error is closed."""
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if type(handler) is not logging.StreamHandler]
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def refused(capsys: pytest.CaptureFixture[str], town: Path, data: Path, http: str = "127.0.0.1:1") -> str:
    assert main(["run", "--city", str(town), "--data", str(data), "--http", http]) == 3
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_second_process_on_the_same_data(capsys: pytest.CaptureFixture[str], town: Path, tmp_path: Path) -> None:
    claim = Claim(tmp_path / "data" / "log.sqlite")
    assert "正由另一个进程使用" in refused(capsys, town, tmp_path / "data")
    claim.release()


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str], town: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        http = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"无法监听 {http}" in refused(capsys, town, tmp_path / "data", http)
        # It let go of everything: the next one gets as far.
        assert f"无法监听 {http}" in refused(capsys, town, tmp_path / "data", http)


def test_a_folder_that_is_none_and_a_log_that_is_none(
    capsys: pytest.CaptureFixture[str], town: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert "无法使用目录" in refused(capsys, town, tmp_path / "file")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.sqlite").write_bytes(b"something else entirely" * 50)
    assert "打不开事件日志" in refused(capsys, town, tmp_path / "data")


@pytest.mark.parametrize("http", ["8080", "127.0.0.1:", "127.0.0.1:²", "127.0.0.1:８０", "127.0.0.1:70000"])
def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str], town: Path, tmp_path: Path, http: str) -> None:
    assert "HOST:PORT" in refused(capsys, town, tmp_path / "data", http)


def test_a_signal_before_the_server_listens_is_not_lost(
    town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = embedded(*load_city(town), tmp_path / "data", "127.0.0.1", free_port())
    system.start()
    run = system.server.run

    def signalled() -> None:
        signal.raise_signal(signal.SIGTERM)
        run()

    monkeypatch.setattr(system.server, "run", signalled)  # the moment between our handlers and uvicorn's
    system.serve()
    system.stop()
    assert system.host.stopped


def test_asked_to_end_it_ends_well(town: Path, tmp_path: Path) -> None:
    with Running(town, tmp_path / "data") as system:
        assert system.post(b"\xff\xfe", "application/json")[0] == 400
        assert system.stop() == 0
    (told,) = (tmp_path / "data.stderr").read_text().splitlines()
    assert "一次性密码" in told, "at the first start, and nothing else"


def test_a_log_that_cannot_be_written_to_delays_orders_and_loses_none(tmp_path: Path) -> None:
    store = open_store("sqlite://")
    failures: list[BaseException] = []
    forwarder = BreachForwarder(tmp_path / "log.sqlite", store, failures.append)
    with sqlite3.connect(tmp_path / "log.sqlite") as db:
        db.execute("ALTER TABLE cursors RENAME TO away")
    forwarder.start()
    forwarder.stop()
    assert forwarder.retries >= 1
    assert failures == []
    with pytest.raises(WorldError, match="no such table"):
        forwarder.check()
    store.close()
