"""`haulwatch rules schema`: the JSON Schemas of rule files, for editors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import get_args

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from rules.json_schema import Document, json_schema


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the action `schema`."""
    parser = actions.add_parser("schema", help="规则文件的 JSON Schema，给编辑器用 · JSON Schema of rule files")
    parser.add_argument(
        "document",
        nargs="?",
        choices=get_args(Document),
        default="book",
        help="规则文件、本地调整、测试 · rule book (default), local adjustments, stream tests",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="把三份都写进文件夹 · write all three into a folder instead"
    )
    parser.add_argument("--json", action="store_true", help="总是 JSON · always JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints one schema, or writes all into a folder."""
    if options.out is None:
        print(_text(options.document), end="")
        return 0
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for document in get_args(Document):
            path = options.out / f"haulwatch-{document}.schema.json"
            path.write_text(_text(document), encoding="utf-8")
            print(path)
    except OSError as error:
        raise WorldError(Text(f"写不了 {options.out}：{error}", f"cannot write {options.out}: {error}")) from error
    return 0


def _text(document: Document) -> str:
    return json.dumps(json_schema(document), ensure_ascii=False, indent=2) + "\n"
