"""Is a system well? One question a check, each answered within seconds, none able to hide another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

LIMIT_S = 12.0

State = Literal["well", "ill", "unknown"]


class Check(Struct, frozen=True, kw_only=True):
    """The answer to one question. `name` is stable; `text` is what was found, `mend` what to do about it.

    `unknown`: it could not be found out, or was not asked for; that alone is no finding. `reached` says of a check of
    a service whether it answered; None of all others.
    """

    name: str
    state: State
    text: Text
    mend: Text | None = None
    reached: bool | None = None


Question = Callable[[], Check | list[Check]]


def well(name: str, text: Text) -> Check:
    """All is as it should be."""
    return Check(name=name, state="well", text=text)


def ill(name: str, text: Text, mend: Text) -> Check:
    """A finding, and what to do."""
    return Check(name=name, state="ill", text=text, mend=mend)


def unknown(name: str, text: Text) -> Check:
    """Nothing that could be found out."""
    return Check(name=name, state="unknown", text=text)


def ask(questions: Sequence[tuple[str, Question]], limit_s: float = LIMIT_S) -> list[Check]:
    """All questions at once, the answers in their order; one that has none after `limit_s` is a finding."""
    answers: dict[str, Check | list[Check]] = {}
    threads = []
    for name, question in questions:
        thread = threading.Thread(target=_answer, args=(answers, name, question), name=f"doctor-{name}", daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join(limit_s)
    found: list[Check] = []
    for name, _question in questions:
        answer = answers.get(name, _no_answer(name, limit_s))
        found += answer if isinstance(answer, list) else [answer]
    return found


def _answer(answers: dict[str, Check | list[Check]], name: str, question: Question) -> None:
    try:
        answers[name] = question()
    except WorldError as error:
        answers[name] = ill(name, error.text, Text("见其原因", "see the reason given"))
    except Exception as error:  # noqa: BLE001  # a check that fails must not take the others with it
        text = Text(f"检查本身出错：{error!r}", f"the check itself failed: {error!r}")
        answers[name] = ill(name, text, Text("请报告这个错误", "report this error"))


def _no_answer(name: str, limit_s: float) -> Check:
    text = Text(f"{limit_s:g} 秒内没有结果", f"no answer within {limit_s:g} s")
    return ill(name, text, Text("检查网络和负载，稍后重试", "look at network and load; try again later"))
