"""`haulwatch dead-letters list|retry`: records that a cluster kept aside, and sending them again."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from connectors.kafka_dead_letters import Letter, Wanted, letter_box
from haulwatch.cli.arguments import instant_ms
from haulwatch.cli.cluster import add_answer_options, add_kafka_options, settings_of
from haulwatch.cli.progress import Progress
from haulwatch.domain.text import Lang, Text

SHOWN = 160
"""Characters of a record that a person is shown."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `dead-letters` with its two actions."""
    parser = subparsers.add_parser("dead-letters", help="集群的死信 · records that a cluster kept aside")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="最新的死信 · the newest of them")
    listing.add_argument("--limit", type=_count, default=50, metavar="N", help="最多几条 · at most (50)")
    listing.set_defaults(run=run_list)
    retrying = actions.add_parser("retry", help="把已经合格的重新送入 · send again what is good now, each once")
    retrying.add_argument("--limit", type=_count, metavar="N", help="最多送几条 · send at most (all)")
    retrying.set_defaults(run=run_retry)
    for action in (listing, retrying):
        action.add_argument("--code", action="append", default=[], metavar="CODE", help="原因代码，可重复 · repeatable")
        action.add_argument("--source", default="", metavar="TEXT", help="来源的开头 · how the source begins")
        action.add_argument("--since", metavar="INSTANT", help="不早于，RFC 3339 · not before")
        add_kafka_options(action)
        add_answer_options(action)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("1 …")
    return int(text)


def _wanted(options: argparse.Namespace) -> Wanted:
    since_ms = instant_ms(options.since) if options.since else None
    return Wanted(tuple(options.code), options.source, since_ms)


def run_list(options: argparse.Namespace) -> int:
    """Prints the newest letters, oldest first; none is no error."""
    lang: Lang = options.lang
    settings = settings_of(options)
    wanted = _wanted(options)
    characters = None if options.json else SHOWN + 1
    with Progress(Text("死信", "dead letters").lang(lang)) as progress, letter_box(settings) as box:
        letters = box.newest(wanted, options.limit, characters, progress.advance)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode({"letters": letters}), indent=2).decode())
        return 0
    for letter in letters:
        print("\n".join(_told(letter, lang)))
    codes = Counter(letter.code for letter in letters)
    counts = "".join(f" · {code} {number}" for code, number in sorted(codes.items()))
    print(Text(f"{len(letters)} 条死信", f"{len(letters)} dead letters").lang(lang) + counts)
    return 0


def _told(letter: Letter, lang: Lang) -> Iterator[str]:
    place = "" if letter.offset is None else f" @{letter.offset}"
    place += "" if letter.line is None else f" line {letter.line}"
    retried = Text("（已重新送入）", " (sent again)").lang(lang) if letter.retried else ""
    yield f"#{letter.number}  {letter.at}  {letter.code}  {letter.source}{place}{retried}"
    yield f"    {letter.reason}"
    yield f"    {_shown(letter.raw)}"


def _shown(raw: str) -> str:
    """On one line, without what would move a terminal's cursor."""
    plain = re.sub(r"\s+", " ", raw)
    cut = plain[:SHOWN] + ("…" if len(plain) > SHOWN else "")
    return "".join(char if char.isprintable() else "·" for char in cut)


def run_retry(options: argparse.Namespace) -> int:
    """Prints how many were sent again; 1 when some are as bad as before."""
    from haulwatch.bootstrap.dead_letters import retry_letters  # its libraries are not needed for a list

    lang: Lang = options.lang
    settings = settings_of(options)
    wanted = _wanted(options)
    with Progress(Text("死信", "dead letters").lang(lang)) as progress:
        result = retry_letters(settings, wanted, options.limit, progress.advance)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
        return 1 if result.still_bad else 0
    text = Text(
        f"重新送入 {result.retried} 条，仍不合格 {result.still_bad} 条",
        f"{result.retried} sent again, {result.still_bad} still bad",
    )
    print(text.lang(lang))
    for code, number in result.still_bad_by_code.items():
        print(f"  {code} {number}")
    return 1 if result.still_bad else 0
