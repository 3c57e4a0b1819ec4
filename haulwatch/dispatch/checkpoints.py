"""Heads of the audit's chain, kept outside its database: a file that is only ever appended to.

One line each, `2026-05-01T00:00:00.000Z 33:<hash>`. Whoever rewrites the whole chain, its head included, does not reach
what stands on another disk, another machine or a medium that can be written once.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from haulwatch.dispatch.audit import Checkpoint
from haulwatch.domain.errors import Elsewhere, WorldError
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.text import Text
from haulwatch.metrics import Sample

DEFAULT_MINUTES = 60
STOP_S = 10.0
_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")
_LINE = re.compile(r"(?:(\S+) )?(\S+)")

log = logging.getLogger(__name__)


def parse_checkpoint(text: str) -> Checkpoint | None:
    """`SEQ:HASH` as a checkpoint; None when it is none."""
    found = _HEAD.fullmatch(text)
    return None if found is None else Checkpoint(int(found[1]), found[2])


def read_checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints of a file in their order. Raises WorldError for a file or a line that cannot be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        text = Text(f"校验点文件 {path} 读不出：{error}", f"cannot read the checkpoints {path}: {error}")
        raise WorldError(text) from error
    found = []
    for number, line in enumerate(lines, 1):
        parts = _LINE.fullmatch(line)
        checkpoint = None if parts is None else parse_checkpoint(parts[2])
        if checkpoint is None:
            text = Text(f"{path} 第 {number} 行不是校验点", f"{path}, line {number}: not a checkpoint")
            raise WorldError(text)
        found.append(checkpoint)
    return found


def append_checkpoint(path: Path, head: Checkpoint) -> None:
    """Adds a line; durable when it returns. Raises WorldError when it cannot be written."""
    line = f"{rfc3339(time.time_ns() // 1_000_000)} {head.seq}:{head.hash}\n".encode()
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(file, line) != len(line):
                raise OSError("disk full")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        text = Text(f"校验点写不进 {path}：{error}", f"cannot write the checkpoint to {path}: {error}")
        raise WorldError(text, retryable=True) from error


class CheckpointKeeper:
    """Appends the head to a file every so many minutes, in a thread of its own, when there is a new one."""

    def __init__(self, path: Path, head: Callable[[], Checkpoint], minutes: float = DEFAULT_MINUTES) -> None:
        self._path, self._head = path, head
        self._every_s = minutes * 60
        self._last = Checkpoint(0, "")
        self._trouble: WorldError | None = None
        self._kept = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-checkpoints", daemon=True)

    def start(self) -> None:
        """Begins; the first head is kept at once. Raises WorldError when the file there is no list of checkpoints."""
        if self._path.exists():
            self._last = (read_checkpoints(self._path) or [self._last])[-1]
        self._thread.start()

    def stop(self) -> None:
        """Keeps the head once more and ends."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)
        self.keep()

    def keep(self) -> None:
        """Keeps the head as it is now, if there is a new one. What goes wrong is told by `check`."""
        try:
            head = self._head()
            if head.seq > 0 and head != self._last:
                if head.seq <= self._last.seq:
                    raise WorldError(_cut(self._path, self._last))
                append_checkpoint(self._path, head)
                self._last = head
                self._kept += 1
        except WorldError as error:
            if self._trouble is None:
                log.warning("audit checkpoint not kept: %s", error.text.en)
            self._trouble = error
        else:
            self._trouble = None

    def check(self) -> None:
        """Raises Elsewhere while the newest head is not kept: the system goes on, somebody has to look."""
        if self._trouble is not None:
            raise Elsewhere(self._trouble.text)

    def samples(self) -> list[Sample]:
        """How many heads were kept, and the last one's number."""
        return [
            Sample(
                "audit_checkpoints_total", "Heads of the audit kept outside its database", self._kept, type="counter"
            ),
            Sample("audit_checkpoint_seq", "Number of the last audit entry that a kept head covers", self._last.seq),
        ]

    def _run(self) -> None:
        self.keep()
        while not self._stopping.wait(self._every_s):
            self.keep()


def _cut(path: Path, last: Checkpoint) -> Text:
    return Text(
        f"审计比 {path} 中的校验点短（第 {last.seq} 条），可能被截去：运行 haulwatch orders audit verify --checkpoints",
        f"the audit is not what the checkpoint of entry {last.seq} in {path} says: it may have been cut; "
        "run haulwatch orders audit verify --checkpoints",
    )
