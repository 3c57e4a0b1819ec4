"""`haulwatch notify …` as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from haulwatch.cli.main import main
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import open_store
from haulwatch.domain.deliveries import Answer, NewDelivery
from haulwatch.testing import city_files_of
from tests.connectors.notify.conftest import SECRET
from tests.connectors.notify.receiver import ROBOT_OK, Receiver, Reply, verify
from tests.dispatch.conftest import a_breach

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["notify", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def file_for(folder: Path, receiver: Receiver) -> Path:
    path = folder / "notify.yaml"
    path.write_text(
        f"allow_hosts: ['127.0.0.1:{receiver.port}']\nchannels:\n"
        f"  duty: {{type: wecom, url: {receiver.url}/send, http: true}}\n"
        f"  platform: {{type: webhook, url: {receiver.url}/hook, http: true, secret: 'env:HOOK'}}\n"
    )
    return path


def test_check(run: Run, tmp_path: Path, secret: Callable[[str, str], str]) -> None:
    secret("HOOK", SECRET)
    with Receiver() as receiver:
        path = file_for(tmp_path, receiver)
        assert run("check", path) == (
            0,
            "duty      wecom    20/min   zh\nplatform  webhook  600/min  zh\n路由 0 条\n",
            "",
        )
        for name, content in city_files_of(tables={"squads.csv": "squad_id,channel\nS1,dutty\n"}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        code, out, _ = run("check", path, "--city", tmp_path, "--json")
        assert (code, len(json.loads(out)["misfits"])) == (1, 1)
        path.write_text(path.read_text().replace("allow_hosts: ['127", "allow_hosts: ['10"))
        code, out, err = run("check", path)
        assert (code, out) == (2, "")
        assert f"{path.as_posix()}:3:" in err
        assert "M002" in err
        assert receiver.requests == []


def test_test(run: Run, tmp_path: Path, secret: Callable[[str, str], str]) -> None:
    secret("HOOK", SECRET)
    with Receiver(ROBOT_OK, Reply(204), Reply(body=b'{"errcode":93000,"errmsg":"invalid webhook url"}')) as receiver:
        path = file_for(tmp_path, receiver)
        assert run("test", path, "duty") == (0, "已发到 duty\n", "")
        assert run("test", path, "platform", "--lang", "en") == (0, "sent to platform\n", "")
        code, _, err = run("test", path, "duty")
        assert (code, "errcode 93000: invalid webhook url" in err) == (3, True)
        code, _, err = run("test", path, "dutty")
        assert (code, "duty" in err) == (3, True)
        robot, hook, _ = receiver.requests
    assert "测试消息，请忽略" in robot.json["markdown"]["content"]
    verify(SECRET, hook)
    assert hook.json["type"] == "haulwatch.order.test"
    code, _, err = run("test", path, "platform")
    assert (code, "127.0.0.1" in err) == (3, True)


def test_log_and_retry(run: Run, tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path))
    log = store.deliveries()
    log.claim("one", 60_000)
    store.intake([a_breach("b1"), a_breach("b2", truck_id="浙E00002")])
    for change in log.changes(0, 10):
        new = NewDelivery(
            change_id=change.change_id, order_id=change.order.order_id, step="opened", channel="duty", due_ms=1
        )
        log.queue("one", change.change_id, [new], 60_000)
    attempt = log.begin("duty", [one.delivery_id for one in log.due("duty", 9)])
    refused = Answer(outcome="refused", status=200, reason="errcode 93000")
    log.finish(attempt, refused, again_ms=0, failures=0, paused_until_ms=0)
    store.close()
    code, out, _ = run("log", "--data", tmp_path)
    assert code == 0
    assert [line.split()[1:5] for line in out.splitlines()[1:]] == [
        [f"HW-20260501-000{number}", "opened", "duty", "已放弃"] for number in (2, 1)
    ]
    assert out.count("errcode 93000") == 2
    code, out, _ = run("log", "--data", tmp_path, "--order", "HW-20260501-0002", "--json")
    [entry] = json.loads(out)
    assert (entry["order_id"], entry["state"], entry["together"]) == ("HW-20260501-0002", "given_up", 2)
    assert run("retry", "duty", "--data", tmp_path) == (0, "重新排队 2 条\n", "")
    assert json.loads(run("log", "--data", tmp_path, "--state", "given_up", "--json")[1]) == []
    assert run("log", "--data", tmp_path / "none")[0] == 3
