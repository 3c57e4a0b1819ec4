"""Fetches the console's browser libraries, Lit and OpenLayers, from npm packages into haulwatch/console/static/vendor,
and what its tests look at pages with, axe, into tests/e2e/axe.

    python scripts/vendor_console.py           # fetch the pinned versions, write manifest.json (needs npm, network)
    python scripts/vendor_console.py --check   # compare the files with manifest.json (needs neither)

The files are checked in: nobody needs Node to run or to change the console. To move to a new version change `PINS`
and the import paths in static/js/lib.js, run the script, read the diff and run the browser tests.

Two changes are made to what the packages hold, and nothing else: a bare module name (`"lit-html"`) becomes a path,
because a browser without an inline import map (which the content security policy forbids) cannot resolve it; and the
pointer to a source map that is not kept is cut.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "haulwatch" / "console" / "static" / "vendor"
AXE = ROOT / "tests" / "e2e" / "axe"


@dataclass(frozen=True)
class Pin:
    """One npm package: its exact version, the registry's own SHA-512 of the archive, and the files to keep."""

    name: str
    version: str
    integrity: str
    licence: str
    licence_file: str
    files: tuple[str, ...] = ()
    inside: str | None = None
    """The package whose bundle contains this one: then only its licence is kept."""

    @property
    def folder(self) -> str:
        """The folder below vendor/; the version is in the path, so that browsers may keep it for ever."""
        return f"{self.name.replace('@', '').replace('/', '-')}-{self.version}"


PINS = (
    Pin(
        "ol",
        "10.11.0",
        "sha512-OJ+lrx7kx/1O7Xx18Ff9QkVnwZIEL0OuhJQSy2sYgzzDvyZ2qHvuZEGAajbSstUyBwaS1OtQ4RWnY84tRMDdqg==",
        "BSD-2-Clause",
        "LICENSE.md",
        ("dist/ol.js", "ol.css"),
    ),
    Pin(
        "lit-html",
        "3.3.3",
        "sha512-el8M6jK2o3RXBnrSHX3ZKrsN8zEV63pSExTO1wYJz7QndGYZ8353e2a5PPX+qHe2aGayfnchQmkAojaWAREOIA==",
        "BSD-3-Clause",
        "LICENSE",
        (
            "lit-html.js",
            "directive.js",
            "directive-helpers.js",
            "directives/class-map.js",
            "directives/if-defined.js",
            "directives/live.js",
            "directives/repeat.js",
        ),
    ),
    Pin(
        "@lit/reactive-element",
        "2.1.2",
        "sha512-pbCDiVMnne1lYUIaYNN5wrwQXDtHaYtg7YEFPeW+hws6U47WeFvISGUWekPGKWOP1ygrs0ef0o1VJMk1exos5A==",
        "BSD-3-Clause",
        "LICENSE",
        ("reactive-element.js", "css-tag.js"),
    ),
    Pin(
        "lit-element",
        "4.2.2",
        "sha512-aFKhNToWxoyhkNDmWZwEva2SlQia+jfG0fjIWV//YeTaWrVnOxD89dPKfigCUspXFmjzOEUQpOkejH5Ly6sG0w==",
        "BSD-3-Clause",
        "LICENSE",
        ("lit-element.js",),
    ),
    Pin(
        "rbush",
        "4.0.1",
        "sha512-IP0UpfeWQujYC8Jg162rMNc01Rf0gWMMAb2Uxus/Q0qOFw4lCcq6ZnQEZwUoJqWyUGJ9th7JjwI4yIWo+uvoAQ==",
        "MIT",
        "LICENSE",
        inside="ol",
    ),
    Pin(
        "quickselect",
        "3.0.0",
        "sha512-XdjUArbK4Bm5fLLvlm5KpTFOiOThgfWWI4axAZDWg4E/0mKdZyI9tNEfds27qCi1ze/vwTR16kvmmGhRra3c2g==",
        "ISC",
        "LICENSE",
        inside="ol",
    ),
    Pin(
        "earcut",
        "3.2.4",
        "sha512-FHc6yNpnTORB0tM5kmZ03iD2mDuNakDE2lvf4Hw1XkfxtEHIGVi01B/GqUSwx+NcC1WGjidAfpTXzeALtPtfpg==",
        "ISC",
        "LICENSE",
        inside="ol",
    ),
    Pin(
        "pbf",
        "5.1.2",
        "sha512-mnvGdvOrIvJOBGUEdGkrVXjN8E/VkIJCkf2eS1DH2yv82ORUlLttmDt0rWY38yYZmVwciZwBUvHM20qxBZf40w==",
        "BSD-3-Clause",
        "LICENSE",
        inside="ol",
    ),
)
TEST_PINS = (
    Pin(
        "axe-core",
        "4.10.3",
        "sha512-Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg==",
        "MPL-2.0",
        "LICENSE",
        ("axe.min.js",),
    ),
)
SHELVES: tuple[tuple[Path, tuple[Pin, ...]], ...] = ((VENDOR, PINS), (AXE, TEST_PINS))
SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S+\s*$")
BARE_IMPORT = re.compile(r'(?P<before>\bfrom|\bimport)"(?P<name>@?[a-z][^"]*)"')


def entry_points() -> dict[str, str]:
    """Bare module name → path below vendor/."""
    by_name = {pin.name: pin.folder for pin in PINS}
    return {
        "lit-html": f"{by_name['lit-html']}/lit-html.js",
        "@lit/reactive-element": f"{by_name['@lit/reactive-element']}/reactive-element.js",
        "lit-element/lit-element.js": f"{by_name['lit-element']}/lit-element.js",
    }


def rewrite(source: str, depth: int) -> str:
    """A module's text with bare names as paths relative to a file `depth` folders below vendor/."""
    entries = entry_points()

    def path(match: re.Match[str]) -> str:
        return f'{match["before"]}"{"../" * depth}{entries[match["name"]]}"'

    return SOURCE_MAP.sub("\n", BARE_IMPORT.sub(path, source))


def fetch(pin: Pin, scratch: Path) -> dict[str, bytes]:
    """The package's files by name, after its archive matched the pinned checksum."""
    command = ["npm", "pack", f"{pin.name}@{pin.version}", "--json", "--pack-destination", str(scratch)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=scratch)
    archive = scratch / json.loads(answer.stdout)[0]["filename"]
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != pin.integrity:
        raise SystemExit(f"{pin.name}@{pin.version}: archive is {digest}, pinned is {pin.integrity}")
    with tarfile.open(archive) as tar:
        wanted = {f"package/{name}": name for name in (*pin.files, pin.licence_file)}
        return {wanted[m.name]: read_member(tar, m) for m in tar.getmembers() if m.name in wanted}


def read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a regular file in the archive."""
    stream = tar.extractfile(member)
    if stream is None:
        raise SystemExit(f"{member.name} is not a regular file")
    return stream.read()


def install(shelf: Path, pin: Pin, files: dict[str, bytes]) -> dict[str, object]:
    """Writes one package below `shelf` and returns its entry of the manifest."""
    hashes: dict[str, str] = {}
    for name in (*pin.files, pin.licence_file):
        content = files[name]
        if name.endswith(".js"):
            content = rewrite(content.decode("utf-8"), depth=name.count("/") + 1).encode("utf-8")
        target = shelf / pin.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        hashes[f"{pin.folder}/{name}"] = hashlib.sha256(content).hexdigest()
    return {
        "name": pin.name,
        "version": pin.version,
        "licence": pin.licence,
        "licence_file": f"{pin.folder}/{pin.licence_file}",
        "source": f"npm:{pin.name}@{pin.version}",
        "integrity": pin.integrity,
        "inside": pin.inside,
        "sha256": hashes,
    }


def check(shelf: Path) -> list[str]:
    """What differs between a shelf and its manifest, one line each."""
    manifest = json.loads((shelf / "manifest.json").read_text("utf-8"))
    expected = {path: digest for package in manifest["packages"] for path, digest in package["sha256"].items()}
    present = {
        p.relative_to(shelf).as_posix(): p for p in shelf.rglob("*") if p.is_file() and p.name != "manifest.json"
    }
    problems = [f"not in the manifest: {path}" for path in sorted(present.keys() - expected.keys())]
    problems += [f"missing: {path}" for path in sorted(expected.keys() - present.keys())]
    for path in sorted(expected.keys() & present.keys()):
        if hashlib.sha256(present[path].read_bytes()).hexdigest() != expected[path]:
            problems.append(f"changed: {path}")
    return problems


def main() -> int:
    """Fetches, or checks; 0 when all is as pinned."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare the files with the manifest")
    if parser.parse_args().check:
        problems = [line for shelf, _pins in SHELVES for line in check(shelf)]
        sys.stderr.writelines(f"{line}\n" for line in problems)
        return 1 if problems else 0
    for shelf, pins in SHELVES:
        with tempfile.TemporaryDirectory() as scratch:
            packages = [install(shelf, pin, fetch(pin, Path(scratch))) for pin in pins]
        manifest = json.dumps({"packages": packages}, ensure_ascii=False, indent=2) + "\n"
        (shelf / "manifest.json").write_text(manifest, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
