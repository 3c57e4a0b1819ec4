"""The order as a paper that can be filed: what was found and why, where, what the law says, who did what.

Long because every section of the paper is here, in the order in which it is read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from PIL import Image

from geofences.zones import metres_per_degree
from haulwatch.dispatch.evidence.contents import Contents, Export
from haulwatch.dispatch.evidence.penalty import lines_of
from haulwatch.dispatch.evidence.sheet import ACCENT, GREY, Sheet
from haulwatch.dispatch.evidence.tracks import Fix, stretches
from haulwatch.dispatch.evidence.words import word
from haulwatch.dispatch.lifecycle import REASON_NAMES, STAGE_NAMES, TRANSITIONS, VERDICT_NAMES
from haulwatch.domain.breaches import Condition
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.orders import AuditEntry
from haulwatch.domain.text import Lang, Text

DEFAULT_ZONE = "Asia/Shanghai"
THUMBNAIL_PX = 720
UNTOLD = ("audit_seq", "manifest_sha256", "pack_version", "size")
"""Of a history's data: in the manifest, and no help to a reader."""
OPERATORS = {"==": "=", "!=": "≠", ">=": "≥", "<=": "≤"}
ACTIONS = {
    "opened": Text("生成工单", "order opened"),
    "joined": Text("线索并入", "finding joined"),
    "updated": Text("线索更新", "finding updated"),
    "ended": Text("行为终止", "conduct ended"),
    "exported": Text("导出证据包", "evidence pack exported"),
    "photo_added": Text("上传照片", "photo added"),
    "order_read": Text("查阅工单", "order looked at"),
    "picture_read": Text("查看图片", "picture looked at"),
    "scene_read": Text("查阅当时区域与规则", "scene looked at"),
    "reminder": Text("时限提醒", "reminder"),
    "overdue": Text("超时督办（黄）", "overdue: supervision, yellow"),
    "overdue_red": Text("超时督办（红）", "overdue: supervision, red"),
    "extend": Text("申请延期", "extension asked for"),
    "approve": Text("批准", "approved"),
    "decline": Text("不批准", "declined"),
    "withdraw": Text("撤回申请", "withdrawn"),
    "answer": Text("部门答复", "department answered"),
    "rate": Text("评价", "rated"),
}


def paper(contents: Contents, export: Export, picture: Image.Image | None, lang: Lang) -> bytes:
    """The order as PDF in one language."""
    return _Paper(contents, export, lang).pages(picture)


class _Paper:
    def __init__(self, contents: Contents, export: Export, lang: Lang) -> None:
        self._contents, self._lang = contents, lang
        self._order, self._breach = contents.order, contents.dossier.detail.breach
        self._zone = ZoneInfo(contents.scene.timezone or DEFAULT_ZONE)
        at = datetime.fromisoformat(export.at)
        head = contents.dossier.head
        line = self._say("渣土车预警工单", "Construction-waste work order") + f"  {self._order.order_id}"
        who = self._say(f"导出：{export.actor.actor_id} ", f"Exported by {export.actor.actor_id} ")
        chain = self._say("审计链首 ", "audit head ") + f"{head.seq}:{head.hash[:16]}"
        self._sheet = Sheet(lang, line, f"{who}{self._local(export.at)}   {chain}", at)

    def _say(self, zh: str, en: str) -> str:
        return zh if self._lang == "zh" else en

    def _word(self, kind: str, name: str) -> str:
        return word(kind, name).lang(self._lang)

    def _local(self, at: str | None) -> str:
        if at is None:
            return "-"
        return datetime.fromisoformat(at).astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

    def pages(self, picture: Image.Image | None) -> bytes:
        """All of it."""
        self._sheet.add_page()
        self._head()
        self._why()
        self._where(picture)
        self._findings()
        self._law()
        self._tasks()
        self._history()
        self._notices()
        self._pictures()
        self._signatures()
        return bytes(self._sheet.output())

    # What it is

    def _head(self) -> None:
        order, sheet = self._order, self._sheet
        sheet.stroke(self._say("渣土车预警工单", "Construction-Waste Work Order"), 20, align="C")
        sheet.ln(2)
        sheet.ink(10, colour=GREY)
        sheet.cell(0, 6, order.order_id, align="C", new_x="LMARGIN", new_y="NEXT")
        sheet.ln(2)
        sheet.stroke(order.title.lang(self._lang), 14, colour=ACCENT)
        sheet.ln(0.6)
        sheet.words(order.summary.lang(self._lang), 9.5)
        sheet.ln(2)
        sheet.facts(list(self._facts()))
        for name, value in self._long_facts():
            sheet.wide(name, value)

    def _facts(self) -> Iterator[tuple[str, str]]:
        order, say = self._order, self._say
        yield say("当前阶段", "Stage"), STAGE_NAMES[order.stage].lang(self._lang)
        yield say("车牌号", "Plate"), order.truck_id
        yield say("类别", "Category"), self._word("category", order.category)
        yield say("程度", "Severity"), self._word("severity", order.severity)
        yield say("行为开始", "Began"), self._local(order.started_at)
        yield say("认定时间", "Established"), self._local(order.detected_at)
        yield (
            say("行为终止", "Ended"),
            self._local(order.ended_at) if order.ended_at else say("未终止或未知", "unknown"),
        )
        yield say("立单时间", "Order opened"), self._local(order.opened_at)
        place = "-" if order.lon is None or order.lat is None else f"{order.lon:.6f}, {order.lat:.6f} (WGS-84)"
        yield say("地点", "Place"), place
        yield (
            say("发现次数", "Findings"),
            str(order.occurrences) + say("（迟到数据）" if order.late else "", " (late)" if order.late else ""),
        )
        yield say("承办中队", "Squad"), order.squad_id or order.proposed_squad_id or "-"
        yield say("核查结论", "Verdict"), self._verdict()
        yield say("时限", "Due"), self._clock()
        yield say("版本", "Version"), str(order.version)

    def _verdict(self) -> str:
        order = self._order
        said = VERDICT_NAMES[order.verdict].lang(self._lang) if order.verdict else "-"
        reason = REASON_NAMES.get(order.reason_code or "")
        return said + (f" ({reason.lang(self._lang)})" if reason else "")

    def _clock(self) -> str:
        clock, supervision = self._order.clock, self._order.supervision
        if clock is None:
            return "-"
        said = f"{self._word('clock.step', clock.step)} {self._local(clock.due_at)}"
        if supervision is not None:
            level = {"yellow": ("黄牌督办", "supervision: yellow"), "red": ("红牌督办", "supervision: red")}
            said += " " + self._say(*level[supervision.level])
        return said

    def _long_facts(self) -> Iterator[tuple[str, str]]:
        order, scene = self._order, self._contents.scene
        names = {
            feature["properties"]["zone_id"]: feature["properties"]["name"][self._lang]
            for feature in scene.zones["features"]
        }
        zones = "、".join(f"{names[zone]} ({zone})" if zone in names else zone for zone in order.zone_ids)
        yield self._say("所在区域", "Zones"), zones.replace("、", self._say("、", ", ")) or "-"
        rule = scene.rule
        named = f"{rule.title.lang(self._lang)}   " if rule is not None else ""
        yield self._say("认定规则", "Rule"), f"{named}{order.rule_id}   SHA-256 {order.rule_hash[:16]}…"

    # Why

    def _why(self) -> None:
        self._sheet.heading(self._say("认定依据", "Why it was found"))
        heads = [self._say(zh, en) for zh, en in (("条件", "Condition"), ("观测值", "Observed"), ("要求", "Threshold"))]
        heads.append(self._say("记录", "Record"))
        rows: dict[tuple[str, ...], list[str]] = {}  # what held on several records is told once, with the first
        for condition in self._breach.conditions:
            row = list(self._condition(condition))
            rows.setdefault(tuple(row[:3]), row)
        self._sheet.rows(heads, list(rows.values()), [34, 20, 22, 24])

    def _condition(self, condition: Condition) -> Iterator[str]:
        yield f"{self._word('name', condition.name)}\n{condition.text}"
        yield self._value(condition.observed, condition.unit)
        symbol = OPERATORS.get(condition.operator, condition.operator)
        if condition.threshold is None:
            yield {"none": self._say("无", "none")}.get(symbol, symbol)
        else:
            yield f"{symbol} {self._value(condition.threshold, condition.unit)}"
        record = next((r for r in self._breach.evidence if r.event_id == condition.event_id), None)
        yield "-" if record is None else f"{self._word('kind', record.kind)} {self._local(record.at)}"

    def _value(self, value: Any, unit: str | None) -> str:
        if isinstance(value, list):
            return ", ".join(self._value(one, None) for one in value) or self._say("无", "none")
        if isinstance(value, bool) or value is None:
            said = self._word("value", {True: "true", False: "false", None: "unknown"}[value])
        elif isinstance(value, float):
            said = f"{value:.3f}".rstrip("0").rstrip(".")
        else:
            said = self._word("value", str(value)) if isinstance(value, str) else str(value)
        return f"{said} {unit}" if unit else said

    # Where

    def _where(self, picture: Image.Image | None) -> None:
        sheet, track = self._sheet, self._contents.track
        sheet.heading(self._say("地点与轨迹", "Place and track"), room_mm=140)
        if picture is not None:
            sheet.picture(picture)
        if track:
            sheet.facts(list(self._track_facts(track)))
        if self._contents.then is None:
            missing = (
                "当时的城市数据未被保存，图中不含区域与底图。",
                "That city was not kept: no zones and no base map.",
            )
            sheet.words(self._say(*missing), 8, colour=GREY)

    def _track_facts(self, track: Sequence[Fix]) -> Iterator[tuple[str, str]]:
        def clock(fix: Fix) -> str:
            return to_datetime(fix[0]).astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

        speeds = [speed for *_, speed in track if speed is not None]
        yield self._say("轨迹起", "From"), clock(track[0])
        yield self._say("轨迹止", "Until"), clock(track[-1])
        yield self._say("定位点", "Fixes"), str(len(track))
        yield self._say("里程", "Length"), f"{_length_m(track) / 1000:.2f} km"
        yield self._say("最高车速", "Top speed"), f"{max(speeds):.1f} km/h" if speeds else "-"
        yield self._say("坐标系", "Datum"), "WGS-84"

    def _findings(self) -> None:
        self._sheet.heading(self._say("线索记录", "Findings"))
        heads = [("时间", "At"), ("阶段", "Phase"), ("规则", "Rule"), ("程度", "Severity"), ("次数", "Count")]
        phases = {"opened": ("发现", "opened"), "updated": ("持续", "updated"), "ended": ("终止", "ended")}
        rows = [
            [
                self._local(one.ended_at if one.phase == "ended" else one.detected_at),
                self._say(*phases[one.phase]),
                one.rule_id,
                self._word("severity", one.severity),
                str(one.count),
            ]
            for one in self._contents.dossier.detail.occurrences
        ]
        self._sheet.rows([self._say(*head) for head in heads], rows, [30, 14, 34, 12, 10])

    # What the law says

    def _law(self) -> None:
        sheet, law = self._sheet, self._breach.law
        sheet.heading(self._say("法律依据与处理建议", "Legal basis and suggestion"))
        for number, article in enumerate(law.basis, 1):
            sheet.words(f"{number}. {article}")
        for line in lines_of(law.suggestion or {}, self._lang):
            sheet.words(line)
        editions = [f"{one.title.lang(self._lang)} {one.edition}" for one in self._contents.scene.law]
        if editions:
            sheet.ln(1)
            sheet.words(self._say("适用版本：", "Editions: ") + self._say("；", "; ").join(editions), 8, colour=GREY)
        decides = (
            "以上为系统线索与建议，由执法人员审核后决定。",
            "A lead and a suggestion; an officer reviews and decides.",
        )
        sheet.words(self._say(*decides), 8, colour=GREY)

    # Who did what

    def _tasks(self) -> None:
        if not self._order.tasks:
            return
        self._sheet.heading(self._say("部门协办", "Departments"))
        heads = [("部门", "Department"), ("中队", "Squad"), ("答复", "Answer"), ("评价", "Rating")]
        rows = [
            [
                task.department,
                task.squad_id or "-",
                f"{task.answer or '-'} {self._local(task.answered_at) if task.answered_at else ''}",
                self._word("rating", task.rating) if task.rating else "-",
            ]
            for task in self._order.tasks
        ]
        self._sheet.rows([self._say(*head) for head in heads], rows, [18, 18, 50, 14])

    def _history(self) -> None:
        self._sheet.heading(self._say("处理经过", "What was done"))
        heads = [("序号", "No."), ("时间", "At"), ("操作人", "By"), ("操作", "What"), ("说明", "Note")]
        rows = [
            [str(entry.seq), self._local(entry.at), self._who(entry), self._did(entry), self._note(entry)]
            for entry in self._contents.dossier.audit
        ]
        self._sheet.rows([self._say(*head) for head in heads], rows, [9, 26, 16, 20, 29])

    def _who(self, entry: AuditEntry) -> str:
        return self._say("系统", "system") if entry.actor == "system" else entry.actor

    def _did(self, entry: AuditEntry) -> str:
        labels = {row.command: row.label for row in TRANSITIONS}
        known = ACTIONS.get(entry.action) or {str(name): label for name, label in labels.items()}.get(entry.action)
        return known.lang(self._lang) if known else entry.action

    def _note(self, entry: AuditEntry) -> str:
        data = entry.detail.get("data")
        if not isinstance(data, Mapping):
            return str(entry.detail.get("rule_id", ""))
        return self._say("；", "; ").join(
            self._given(str(name), value) for name, value in data.items() if name not in UNTOLD
        )

    def _given(self, name: str, value: object) -> str:
        if name in ("note", "reason", "answer", "result"):
            return str(value)
        named = VERDICT_NAMES.get(str(value)) if name == "verdict" else REASON_NAMES.get(str(value))  # type: ignore[call-overload]
        text = named.lang(self._lang) if named else str(value)
        return f"{name}={text[:16]}…" if name.endswith("sha256") else f"{name}={text}"

    def _notices(self) -> None:
        notices = self._contents.dossier.notices
        if not notices:
            return
        self._sheet.heading(self._say("通知记录", "Notices"))
        heads = [("时间", "At"), ("渠道", "Channel"), ("步骤", "Step"), ("结果", "State"), ("次数", "Attempts")]
        rows = [
            [self._local(one.done_at or one.wanted_at), one.channel, one.step, one.state, str(one.attempts)]
            for one in reversed(notices)
        ]
        self._sheet.rows([self._say(*head) for head in heads], rows, [28, 22, 22, 16, 12])

    # What was seen

    def _pictures(self) -> None:
        shown = [*self._received(), *self._taken()]
        if not shown:
            return
        self._sheet.heading(self._say("图片与照片", "Pictures and photos"), room_mm=70)
        self._sheet.thumbnails(shown)

    def _received(self) -> Iterator[tuple[Image.Image | None, list[str]]]:
        for sha256, uri in self._contents.pictures():
            if sha256 is None:
                yield None, [self._say("不在本系统内", "kept elsewhere"), uri[:60]]
                continue
            what = self._say("设备图片（收到时原件）", "Device picture, as received")
            yield _small(self._contents.picture(sha256)), [what, *_digest(sha256)]

    def _taken(self) -> Iterator[tuple[Image.Image | None, list[str]]]:
        for photo in self._contents.photos:
            what = self._say("队员照片 ", "Squad photo ") + f"{photo.by or ''} {self._local(photo.taken_at)}"
            lines = [what, *_digest(photo.sha256)]
            if photo.captured_sha256:
                same = photo.captured_sha256 == photo.sha256
                lines.append(
                    self._say("拍摄与接收摘要一致", "same digest when taken")
                    if same
                    else self._say("与拍摄摘要不同", "OTHER digest when taken")
                )
            yield _small(self._contents.photo(photo)), lines

    def _signatures(self) -> None:
        self._sheet.heading(self._say("签署", "Signatures"), room_mm=40)
        names = [
            ("经办人", "Handled by"),
            ("审核人", "Reviewed by"),
            ("单位（盖章）", "Office (seal)"),
            ("日期", "Date"),
        ]
        self._sheet.facts([(self._say(*name), "\n\n") for name in names])


def _length_m(track: Sequence[Fix]) -> float:
    length_m = 0.0
    for part in stretches(list(track)):
        for (_, lon0, lat0, _), (_, lon1, lat1, _) in pairwise(part):
            east_m, north_m = metres_per_degree((lat0 + lat1) / 2)
            length_m += (((lon1 - lon0) * east_m) ** 2 + ((lat1 - lat0) * north_m) ** 2) ** 0.5
    return length_m


def _small(data: bytes | None) -> Image.Image | None:
    """The picture small enough for a paper; None where it cannot be had or is none."""
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (THUMBNAIL_PX, THUMBNAIL_PX))
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return picture


def _digest(sha256: str) -> list[str]:
    return [f"SHA-256 {sha256[:32]}", f"        {sha256[32:]}"]
