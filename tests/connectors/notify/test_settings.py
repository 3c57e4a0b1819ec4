"""What is wrong with a file is told at its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.notify.settings import NotifyFile
from haulwatch.bootstrap.notify import misfits_of, read_notify
from haulwatch.city.documents import read_document
from haulwatch.domain.errors import AuthorError, WorldError
from haulwatch.testing import city_files_of
from tests.connectors.notify.conftest import SECRET, file_of

GOOD = """\
allow_hosts: [oapi.dingtalk.com, qyapi.weixin.qq.com, hooks.example.org:8443]
channels:
  duty: {type: dingtalk, url: https://oapi.dingtalk.com/robot/send, token: "env:T", secret: "env:S"}
  squad-one: {type: wecom, url: "env:WECOM"}
  platform: {type: webhook, url: "https://hooks.example.org:8443/x", secret: "env:W", rate_per_minute: 100}
  night:
    type: sms
    url: https://hooks.example.org:8443/sms
    phones: [13800138000]
    fields: {mobile: "{phones}", content: "{text}"}
routes:
  - {on: [opened], severity: [major, critical], late: false, channels: [duty, platform]}
  - {on: [dispatched], after_min: 15, channels: [duty, squad]}
"""


def test_a_good_file() -> None:
    file = file_of(GOOD)
    assert [channel.rate for channel in file.channels.values()] == [20, 20, 100, 30]
    assert file.routes[0].late is False
    told = ("dispatched", "rework", "on_hold", "resumed", "void", "merged", "transferred", "reminder", "overdue")
    assert file.squads_on == told


@pytest.mark.parametrize(
    ("wrong", "right", "line", "code"),
    [
        ("url: https://oapi.dingtalk.com/", "url: https://oapi.dingtalk.com.evil.org/", 3, "M002"),
        ("url: https://oapi.dingtalk.com/", "url: http://oapi.dingtalk.com/", 3, "M004"),
        ("url: https://oapi.dingtalk.com/", "url: https://a:b@oapi.dingtalk.com/", 3, "M003"),
        ("[oapi.dingtalk.com,", "[https://oapi.dingtalk.com,", 1, "M001"),
        ('secret: "env:W"', 'secret: "whsec_abc"', 5, "N001"),
        ('secret: "env:W", ', "", 5, "M006"),
        ('url: "env:WECOM"', 'url: "env:WECOM", secret: "env:S"', 4, "M006"),
        ("phones: [13800138000]", "phones: [0138-abc]", 9, "M006"),
        ('url: "env:WECOM"', 'url: "env:WECOM", mention: [zhang, all]', 4, "M006"),
        ('url: "env:WECOM"', 'url: "env:WECOM", mention: ["a> <@all"]', 4, "M006"),
        ('token: "env:T"', "mention: [zhang]", 3, "M006"),
        ('secret: "env:W"', 'secret: "env:W", mention: [all]', 5, "M006"),
        ("phones: [13800138000]", "phones: []", 7, "M006"),
        ('content: "{text}"', 'content: "{txt}"', 10, "M008"),
        ('content: "{text}"', 'content: "{text.__class__}"', 10, "M008"),
        ('content: "{text}"', 'content: "{text"', 10, "M008"),
        ("channels: [duty, platform]", "channels: [dutty, platform]", 12, "M007"),
        ("on: [opened]", "on: [open]", 12, "C015"),
        ("on: [opened]", "on: []", 12, "C015"),
        ("after_min: 15", "after_min: 0", 13, "C015"),
        ("rate_per_minute: 100", "rate_per_minute: 6000", 5, "C015"),
        ("  night:", "  squad:", 6, "M007"),
        ("  night:", "  Night!:", 6, "M007"),
        ("late: false", "lates: false", 12, "C013"),
        ("type: sms", "type: smss", 7, "C015"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(wrong: str, right: str, line: int, code: str) -> None:
    assert wrong in GOOD
    found, findings = read_document("notify.yaml", GOOD.replace(wrong, right, 1).encode(), NotifyFile)
    assert found is None
    assert (line, code) in [(finding.line, finding.code) for finding in findings]


def test_secrets_are_looked_at_and_a_secret_url_must_be_listed(
    tmp_path: Path, secret: Callable[[str, str], str]
) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(GOOD)
    for name in ("T", "S"):
        secret(name, "x")
    secret("W", SECRET)
    with pytest.raises(WorldError, match="WECOM"):
        read_notify(path)
    secret("WECOM", "https://evil.example.org/cgi-bin/webhook/send?key=geheim")
    with pytest.raises(AuthorError) as refused:
        read_notify(path)
    [finding] = refused.value.findings
    assert (finding.code, finding.place) == ("M002", "channels.squad-one.url")
    assert "geheim" not in finding.render()
    secret("WECOM", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=geheim")
    assert set(read_notify(path).channels) == {"duty", "squad-one", "platform", "night"}
    secret("W", "whsec_short")
    with pytest.raises(WorldError, match="whsec_"):
        read_notify(path)
    with pytest.raises(WorldError, match="cannot read"):
        read_notify(tmp_path / "none.yaml")


def test_what_does_not_fit_the_city(tmp_path: Path) -> None:
    squads = "squad_id,name,channel\nS1,一中队,squad-one\nS2,二中队,squad-two\nS3,三中队,\n"
    for name, content in city_files_of(tables={"squads.csv": squads}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    routes = "  - {on: [opened], zones: [D1, D2], squads: [S1, S9], channels: [duty]}\n"
    told = [text.en for text in misfits_of(file_of(GOOD + routes), tmp_path)]
    assert [sentence.split(":")[0] for sentence in told] == ["squads.csv", "route 3", "route 3"]
    assert ("squad-two" in told[0], "D2" in told[1], "S9" in told[2]) == (True, True, True)
