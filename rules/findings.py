"""What can be wrong with a rule file: stable codes, and the place where everything found is collected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text

CODES: dict[str, Text] = {
    "E001": Text("YAML 写法错误，文件读不下去", "YAML syntax error, the file cannot be read further"),
    "E002": Text("使用了制表符（Tab）", "a tab character"),
    "E003": Text("文件不是 UTF-8 编码", "the file is not UTF-8"),
    "E004": Text("同一个键写了两次", "the same key twice"),
    "E005": Text("全角标点或全角字符", "full-width punctuation or characters"),
    "E006": Text("22:00 会被读成六十进制数", "22:00 is read as a base-60 number"),
    "E007": Text("on/off/yes/no 会被读成布尔值", "on/off/yes/no is read as a boolean"),
    "E008": Text("以 0 开头的数会被读成八进制", "a number with a leading zero is read as octal"),
    "E009": Text("不支持的 YAML 用法（标签、多文档、循环引用、过大）", "YAML feature that is not allowed here"),
    "E010": Text("未知的键", "unknown key"),
    "E011": Text("缺少必需的键", "a required key is missing"),
    "E012": Text("未知字段或名称", "unknown field or name"),
    "E013": Text("值的类型不对", "value of the wrong type"),
    "E014": Text("不在允许的取值之内", "not one of the permitted values"),
    "E015": Text("编号或名称写法不合规定", "malformed id or name"),
    "E016": Text("时长缺少单位或写法不对", "duration without unit, or malformed"),
    "E017": Text("参数超出自身的 min/max 范围", "param outside its own min/max"),
    "E018": Text("编号重复", "id used twice"),
    "E019": Text("规则没有负责人 owner", "rule without owner"),
    "E020": Text("sequence 或 count 缺少 within", "sequence or count without within"),
    "E021": Text("缺少正例或反例", "no positive or no negative example"),
    "E022": Text("步骤永远到不了", "a step that cannot be reached"),
    "E023": Text("例外已过期", "expired exception"),
    "E024": Text("本地调整指向不存在的规则、参数或名单", "overlay of a rule, param or list that does not exist"),
    "E025": Text("本地调整缺少 override 或用法不对", "overlay without override, or override misused"),
    "E026": Text("数写法不对", "malformed number"),
    "E027": Text("时段写法不对", "malformed hours"),
    "E028": Text("日期写法不对", "malformed date"),
    "E029": Text("名称已被占用", "name is taken"),
    "E030": Text("表达式写法错误", "syntax error in an expression"),
    "E031": Text("表达式中不允许的写法", "not allowed in an expression"),
    "E032": Text("类型不匹配", "types do not match"),
    "E033": Text("单位不匹配", "units do not match"),
    "E034": Text("不是该字段的取值", "not a value of this field"),
    "E035": Text("条件永远不可能成立", "a comparison that can never hold"),
    "E036": Text("不能与空值或 unknown 比较", "comparison with null or unknown"),
    "E037": Text("未知函数或参数个数、类型不对", "unknown function or wrong arguments"),
    "E038": Text("未知参数 $…", "unknown $param"),
    "E039": Text("命名条件互相引用成环", "named conditions refer to each other in a circle"),
    "E040": Text("不是条件（应得出真或假）", "not a condition"),
    "E041": Text("此处不能使用该名称", "a name that cannot be used here"),
    "E042": Text("证据指向不存在的步骤", "evidence names a step that does not exist"),
    "E043": Text("所选引擎无法表达的条件", "a condition that the chosen engine cannot express"),
    "W101": Text("数值参数没有 min/max", "param without min or max"),
    "W102": Text("参数没有被用到", "unused param"),
    "W103": Text("名单或命名条件没有被用到", "unused list or named condition"),
    "W104": Text("比较永远成立", "a comparison that always holds"),
    "W105": Text("没有法律依据", "no law reference"),
    "W106": Text("没有处置说明 runbook", "no runbook"),
    "W107": Text("标题没有英文", "title without English"),
    "W108": Text("每个定位点都会命中且没有冷却时间", "fires on every position and has no cooldown"),
    "W109": Text("例外快要到期", "an exception expires soon"),
    "W110": Text("例外期限超过一年", "an exception for more than a year"),
    "W111": Text("sequence 没有列出证据步骤", "a sequence without evidence steps"),
    "W112": Text("轻微级别却要求紧急", "urgent order of a rule of severity info"),
    "W113": Text("反例里没有事件", "a negative example without events"),
    "W114": Text("两个示例同名", "two examples of one name"),
    "W115": Text("两条规则的匹配条件完全相同", "two rules with the same match"),
}
"""Every code with one line of meaning; docs/rules.md lists the same."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A stretch of one line of a rule file; line and column count from 1, in characters."""

    file: str
    line: int
    column: int
    width: int = 1
    snippet: str | None = None


@dataclass(slots=True)
class Report:
    """Collects findings; the same thing at the same place is told once."""

    findings: list[Finding] = field(default_factory=list)
    seen: set[tuple[str, int, int, str, str]] = field(default_factory=set)

    def error(self, spot: Spot, code: str, zh: str, en: str, hint: Text | None = None) -> None:
        """Adds an error at `spot`."""
        self._add("error", spot, code, Text(zh, en), hint)

    def warning(self, spot: Spot, code: str, zh: str, en: str, hint: Text | None = None) -> None:
        """Adds a warning at `spot`."""
        self._add("warning", spot, code, Text(zh, en), hint)

    def _add(self, severity: Literal["error", "warning"], spot: Spot, code: str, text: Text, hint: Text | None) -> None:
        if code not in CODES:
            raise KeyError(code)
        key = (spot.file, spot.line, spot.column, code, text.zh)
        if key in self.seen:
            return
        self.seen.add(key)
        self.findings.append(
            Finding(
                file=spot.file,
                line=spot.line,
                column=spot.column,
                width=max(1, spot.width),
                snippet=spot.snippet,
                code=code,
                text=text,
                severity=severity,
                hint=hint,
            )
        )

    @property
    def errors(self) -> int:
        """How many errors (not warnings) there are."""
        return sum(f.severity == "error" for f in self.findings)


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if any is close."""
    names = list(known)
    folded = {n.casefold().replace("-", "_"): n for n in names}
    found = difflib.get_close_matches(word.casefold().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def suggestion(word: str, known: Iterable[str], *, zh: str = "可用", en: str = "available") -> Text | None:
    """ "Did you mean …", and what there is to choose from."""
    names = list(known)
    meant = closest(word, names)
    if not names:
        return None
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    if meant is None:
        return Text(f"{zh}: {shown}", f"{en}: {shown}")
    return Text(f"是否想写 {meant} ？ {zh}: {shown}", f"did you mean {meant}? {en}: {shown}")
