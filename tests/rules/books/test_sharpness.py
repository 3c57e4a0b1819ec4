"""Every shipped stream test is about some detail, and fails when that detail is another one."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from streams.stream_tests import Outcome, run_stream_tests
from tests.rules.books.test_books import BOOK

TESTS = {
    entry.name.removesuffix(".test.yaml"): entry.read_text(encoding="utf-8")
    for entry in files("rules").joinpath("books").iterdir()
    if entry.name.endswith(".test.yaml")
}
# book, words of the test's name, what is there (several with |), what is there instead
ALTERED = [
    ("dumping", "举升的定位晚到", "t: 60s, arrive: 62s", "t: 62s"),
    ("dumping", "在消纳场举升", "kind: disposal_site", "kind: route"),
    ("dumping", "传感器闪了两下", "t: 39s, arrive: 41s", "t: 41s"),
    (
        "dumping",
        "传感器闪了两下",
        "{t: 60s, on: position, lon: 120.1061, lat: 30.86, speed_kmh: 30, load: full}",
        "{t: 60s, on: position, lon: 120.1061, lat: 30.86, speed_kmh: 30, load: empty}",
    ),
    ("dumping", "漂移一百多米", "accuracy_m: 141", "accuracy_m: 9"),
    ("dumping", "漂移一百多米", "kind: disposal_site", "kind: route"),
    ("dumping", "失联后已经空了", "accuracy_m: 141", "accuracy_m: 9"),
    ("dumping", "失联后已经空了", "kind: disposal_site", "kind: route"),
    ("dumping", "进入禁区", "load: half", "load: empty"),
    ("dumping", "进入禁区", "load: empty", "load: half"),
    ("manifest", "等待补开时重启", "{t: 90s, on", "{t: 95s, on"),
    ("manifest", "三分钟后才传到", "status: issued", "status: cancelled"),
    ("manifest", "每份联单都传了三遍", "manifest_id: M-2", "manifest_id: M-1"),
    ("manifest", "每份联单都传了三遍", "manifest_id: M-2, status: issued", "manifest_id: M-2, status: cancelled"),
    ("overweight", "报了四遍", "t: 0s, arrive: 2s", "t: 2s"),
    ("overweight", "六轴车合法", "axle_count: 6, body: articulated", "axle_count: 4, body: rigid"),
    ("overweight", "一趟过两个站", "t: 40m", "t: 2h10m"),
    ("overweight", "计时不因重启", "load_kg: 26100", "load_kg: 16400"),
    ("overweight", "打断计时", "t: 119s, arrive: 121s", "t: 121s"),
    ("overweight", "打断计时", "load_kg: 16400", "load_kg: 26000"),
    ("repeat", "跨大半年", "{t: 300d", "{t: 299d"),
    ("repeat", "不多算一次", "gross_kg: 38000, duplicates: 3", "gross_kg: 20000, duplicates: 3"),
    ("repeat", "一年零一天", "t: 366d", "t: 364d"),
    ("route", "偏离路线", "t: 119s, arrive: 121s", "t: 121s"),
    ("route", "飘三十米", "30.86027|30.85973", "30.862"),
    ("route", "清晨五点", "22:00-05:00", "22:00-06:00"),
    ("route", "准运证", "permit_to: 2026-05-01", "permit_to: 2026-04-30"),
    ("route", "只有一个有许可", "t: 89s, arrive: 91s", "t: 91s"),
    ("route", "只有一个有许可", "origin_zone: S-2", "origin_zone: S-1"),
    ("route", "改卸另一消纳场", "t: 5m30s, arrive: 5m32s", "t: 5m32s"),
    ("route", "改卸另一消纳场", "destination_zone: D-1", "destination_zone: D-2"),
    ("speed", "早就开始了", "t: 31s, arrive: 33s", "t: 33s"),
    ("speed", "打断计时", "t: 29s, arrive: 31s", "t: 31s"),
    ("speed", "打断计时", "speed_kmh: 58", "speed_kmh: 84"),
    ("speed", "一分钟才报一次", "speed_kmh: 71", "speed_kmh: 91"),
    ("speed", "一分钟才报一次", "speed_kmh: 92", "speed_kmh: 71"),
    ("speed", "是一件事", "speed_kmh: 92|speed_kmh: 95|speed_kmh: 94", "speed_kmh: 85"),
    ("tamper", "时限照样到", "t: 20s", "t: 21s"),
    ("tamper", "出来后补传", "arrive: 12m5s|arrive: 12m6s", "arrive: 44m"),
    ("tamper", "没有补传", "plate_confidence: 0.95", "plate_confidence: 0.3"),
    ("tamper", "晚到两秒造成的乱序", "t: 25s, arrive: 27s", "t: 27s"),
    ("tamper", "留在那里", "lon: 120.2012", "lon: 120.1012"),
    ("uncovered", "宽限时间里两次重启", "t: 10s, arrive: 12s", "t: 12s"),
    ("uncovered", "截止前一秒", "t: 129s, arrive: 131s", "t: 131s"),
    ("uncovered", "半载也要盖", "load: half", "load: empty"),
    ("uncovered", "半载也要盖", "kind: construction_site", "kind: route"),
    ("uncovered", "报五遍只算一处", "camera_id: C-2, cover", "camera_id: C-1, cover"),
    (
        "uncovered",
        "是一件事",
        "t: 30s, on: sighting, camera_id: C-1, cover: open",
        "t: 30s, on: sighting, camera_id: C-1, cover: closed",
    ),
]


def run(book: str, text: str) -> list[Outcome]:
    return run_stream_tests(BOOK, [(f"rules/{book}.test.yaml", text.encode())])


@pytest.mark.parametrize(("book", "name", "there", "instead"), ALTERED)
def test_a_story_that_goes_otherwise_fails(book: str, name: str, there: str, instead: str) -> None:
    head, *stories = re.split(r"(?m)^(?=  - name: )", TESTS[book])
    (number,) = (number for number, story in enumerate(stories) if name in story.partition("\n")[0])
    for detail in there.split("|"):
        assert detail in stories[number]
        stories[number] = stories[number].replace(detail, instead)
    assert [not outcome.passed for outcome in run(book, head + "".join(stories))] == [
        other == number for other in range(len(stories))
    ], "this test fails, and no other"


def test_every_story_is_altered() -> None:
    for book, text in TESTS.items():
        for name in re.findall(r"(?m)^  - name: (.*)$", text):
            assert any(book == altered and words in name for altered, words, *_ in ALTERED), name
