"""The files in a zip, by what they are; nothing is written to disk and nothing is unpacked beyond its bounds."""

from __future__ import annotations

import io
import zipfile
import zlib

from geofences.importing.drawing import refused

MAX_MEMBERS = 64
MAX_UNPACKED_BYTES = 64 * 1024 * 1024


def members(file: str, data: bytes) -> dict[str, bytes]:
    """The files in the zip by their names in it. Raises AuthorError (Z041)."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > MAX_MEMBERS:
                raise _too_large(file)
            found: dict[str, bytes] = {}
            left = MAX_UNPACKED_BYTES
            for info in infos:
                with archive.open(info) as member:  # what a header says of sizes proves nothing
                    found[info.filename] = member.read(left + 1)
                left -= len(found[info.filename])
                if left < 0:
                    raise _too_large(file)
            return found
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise refused(file, "Z041", f"压缩包无法读取：{error}", f"the zip cannot be read: {error}") from None


def _too_large(file: str) -> Exception:
    size_mb = MAX_UNPACKED_BYTES >> 20
    return refused(
        file,
        "Z041",
        f"压缩包过大：最多 {MAX_MEMBERS} 个文件、展开 {size_mb} MB",
        f"the zip is too large: at most {MAX_MEMBERS} files and {size_mb} MB unpacked",
    )
