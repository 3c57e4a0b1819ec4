"""Every slip that people make in a city folder is told with file, line, column and code."""

from __future__ import annotations

import pytest

from haulwatch.city import build_city, check_city
from haulwatch.domain.errors import AuthorError

# What was done to one file (old text → new text), and what is said about it: code, line, the text under the caret
# (empty where the whole line or file is meant).
Case = tuple[str, str, str, str, int, str]

SETTINGS: list[Case] = [
    ("city.yaml", "lateness: 3s", "lateness: 3", "C016", 6, "3"),
    ("city.yaml", "gap: 2m", "gap: 两分钟", "C016", 7, "两分钟"),
    ("city.yaml", "lateness: 3s", "lateness: 2h", "C015", 6, "2h"),
    ("city.yaml", "accuracy_m: 50", "accuracy_m: 50m", "C015", 8, "50m"),
    ("city.yaml", "accuracy_m: 50", "accuracy_m: 0", "C015", 8, "0"),
    ("city.yaml", "Asia/Shanghai", "Asia/Shanghia", "C017", 3, "Asia/Shanghia"),
    ("city.yaml", "wgs84", "WGS-84", "C018", 4, "WGS-84"),
    ("city.yaml", "zj-2020", "zj-2021", "C019", 5, "zj-2021"),
    ("city.yaml", "law: [cn-2016-62, zj-2020]", "law: cn-2016-62", "C015", 5, "cn-2016-62"),
    ("city.yaml", "lateness: 3s", "latenes: 3s", "C013", 6, "latenes"),
    ("city.yaml", "datum: wgs84\n", "", "C014", 0, ""),
    ("city.yaml", "id: hekou", "id: 河口", "C015", 1, "河口"),
    ("city.yaml", "id: hekou", "id:", "C015", 1, "id"),
    ("city.yaml", "{zh: 河口, en: Hekou}", "[河口]", "C015", 2, "["),
    ("city.yaml", "gap: 2m", "gap: 2m\ngap: 3m", "E004", 8, "gap"),
    ("city.yaml", "gap: 2m", "gap：2m", "E005", 7, "："),
    ("city.yaml", "gap: 2m", "gap: 2m\nrules_engine: drools", "C015", 8, "drools"),
    ("city.yaml", "id: hekou", "id: [hekou", "E001", 2, ":"),
]
TABLES: list[Case] = [
    ("trucks.csv", ",4,rigid", ",four,rigid", "C027", 2, "four"),
    ("trucks.csv", ",4,rigid", ",4.5,rigid", "C027", 2, "4.5"),
    ("trucks.csv", ",4,rigid", ",44,rigid", "C028", 2, "44"),
    ("trucks.csv", ",4,rigid", ",４,rigid", "C033", 2, "４"),
    ("trucks.csv", ",rigid", ",regid", "C031", 2, "regid"),
    ("trucks.csv", ",31000,", ",31,", "C028", 2, "31"),
    ("trucks.csv", ",31000,", ',"31,000",', "C027", 2, '"31,000"'),
    ("trucks.csv", ",31000,", ",31000kg,", "C027", 2, "31000kg"),
    ("trucks.csv", ",31000,", ",1e999,", "C028", 2, "1e999"),
    ("trucks.csv", ",13000,", ",32000,", "C041", 2, "32000"),
    ("trucks.csv", ",true,", ",maybe,", "C030", 2, "maybe"),
    ("trucks.csv", "2026-01-01", "01.01.2026", "C029", 2, "01.01.2026"),
    ("trucks.csv", "2026-01-01", "2026-02-30", "C029", 2, "2026-02-30"),
    ("trucks.csv", "2026-12-31", "2025-12-31", "C038", 2, "2025-12-31"),
    ("trucks.csv", "浙E54321", "浙E12345", "C026", 3, "浙E12345"),
    ("trucks.csv", "浙E54321,,", ",,4", "C025", 3, ""),
    ("trucks.csv", "浙E54321", "浙E·54321", "C039", 3, "浙E·54321"),
    ("trucks.csv", "浙E54321" + "," * 11, "浙E54321" + "," * 11 + "013800138000", "C026", 3, "013800138000"),
    ("trucks.csv", "浙E54321,,", "浙E54321,", "C034", 3, ""),
    ("trucks.csv", "顺达土方,", "顺达,土方,", "C034", 2, ""),
    ("trucks.csv", "顺达土方,", '"顺达土方,', "C022", 2, ""),
    ("trucks.csv", "axle_count", "axles", "C021", 1, ""),
    ("trucks.csv", "carrier_id,carrier_name", "carrier_id,carrier_id", "C023", 1, "carrier_id"),
    ("trucks.csv", "carrier_name", "carier_name", "C024", 1, "carier_name"),
    ("stations.csv", "station_id,name,lon,lat", "station_id，name，lon，lat", "C020", 1, ""),
    ("stations.csv", "120.105,30.865", "30.865,120.105", "C028", 2, "120.105"),
    ("stations.csv", "120.105,30.865", "121.905,30.865", "C037", 2, "121.905"),
    ("stations.csv", "120.105,30.865", "120.105,", "C040", 2, "W-1"),
    ("stations.csv", ",static", ",Static", "C031", 2, "Static"),
    ("stations.csv", ",2.5,", ",99,", "C028", 2, "99"),
    ("cameras.csv", ",0.9", ",90", "C028", 2, "90"),
    ("permits.csv", "S-001", "S-01", "C035", 2, "S-01"),
    ("permits.csv", "P-1,S-001,X-001", "P-1,X-001,S-001", "C036", 2, "X-001"),
    ("permits.csv", "R-001", "D-1", "C036", 2, "D-1"),
    ("permits.csv", "22:00-05:00", "22:00~05:00", "C032", 2, "22:00~05:00"),
    ("permits.csv", "22:00-05:00", "22:00-25:00", "C032", 2, "22:00-25:00"),
    ("permits.csv", "22:00-05:00", "夜间", "C032", 2, "夜间"),
    ("squads.csv", "D-1", "D-9", "C035", 2, "D-9"),
    ("squads.csv", ",district,", ",county,", "C031", 2, "county"),
]
CALENDAR: list[Case] = [
    ("calendar.yaml", "mon-fri", "mon-fry", "C015", 2, "mon-fry"),
    ("calendar.yaml", "08:30-12:00", "08:30", "C032", 2, "["),
    ("calendar.yaml", '["08:30-12:00"]', '["08:30-12:00", "11:00-17:00"]', "C032", 2, "["),
    ("calendar.yaml", "2026-10-01/2026-10-07", "2026-10-07/2026-10-01", "C038", 4, "2026-10-07/2026-10-01"),
    ("calendar.yaml", "2026-10-01/2026-10-07", "国庆节", "C029", 4, "国庆节"),
    ("calendar.yaml", "holidays:", "holiday:", "C013", 3, "holiday"),
    ("calendar.yaml", "urgent: 10m", "urgent: 10", "C016", 6, "10"),
    ("calendar.yaml", "urgent: 10m", "urgent: 0m", "C015", 6, "0m"),
    ("calendar.yaml", "urgent: 10m", "urgent: 366d", "C015", 6, "366d"),
    ("calendar.yaml", "urgent: 10m", "urgent: 10m wrking", "C016", 6, "10m wrking"),
    ("calendar.yaml", "urgent: 10m", "urgend: 10m", "C013", 6, "urgend"),
    ("calendar.yaml", "  file:", "  fil:", "C013", 6, "fil"),
    ("calendar.yaml", 'mon-fri: ["08:30-12:00"]', "mon-fri: []", "C042", 6, "1d working"),
]
ZONES: list[Case] = [
    ("geofences/zones.geojson", '"parent": "D-1"', '"parent": "D-2"', "Z017", 6, ""),
    ("geofences/zones.geojson", '"zone_id": "X-001"', '"zone_id": "S-001"', "Z013", 3, ""),
]


@pytest.mark.parametrize(("file", "old", "new", "code", "line", "caret"), SETTINGS + TABLES + CALENDAR + ZONES)
def test_a_slip_is_located(
    files: dict[str, bytes], file: str, old: str, new: str, code: str, line: int, caret: str
) -> None:
    text = files[file].decode()
    assert old in text
    files[file] = text.replace(old, new, 1).encode()
    findings = [finding for finding in check_city(files) if finding.code == code]
    assert [(finding.file, finding.line) for finding in findings] == [(file, line)]
    if caret:
        [finding] = findings
        assert finding.snippet is not None
        assert finding.snippet[finding.column - 1 :][: finding.width] == caret


@pytest.mark.parametrize(
    ("file", "data", "code", "said"),
    [
        ("trucks.csv", "truck_id,axle_count\n浙E12345,4\n".encode("gbk"), "C010", "GBK"),
        ("trucks.csv", "truck_id,axle_count\n浙E12345,4\n".encode("utf-16"), "C010", "UTF-16"),
        ("trucks.csv", b"PK\x03\x04\x14\x00\x00\xff", "C010", "Excel"),
        ("trucks.csv", b"truck_id,axle_count\n\xff\xfe\xfd,4\n", "C010", "UTF-8"),
        ("trucks.csv", b"", "C020", "空"),
        ("trucks.csv", "truck_id，axle_count\n".encode(), "C020", "全角逗号"),
        ("trucks.csv", b"truck_id;axle_count\nA;4\n", "C020", "分号"),
        ("city.yaml", b"", "C014", "id"),
        ("city.yaml", "id: 河口".encode("gbk"), "E003", "UTF-8"),
        ("truck.csv", b"truck_id,axle_count\n", "C003", "城市文件夹"),
        ("TRUCKS.CSV", b"truck_id,axle_count\n", "C003", "城市文件夹"),
        ("geofences/routes.json", b"{}", "C003", "城市文件夹"),
    ],
)
def test_a_wrong_file_is_named(files: dict[str, bytes], file: str, data: bytes, code: str, said: str) -> None:
    files[file] = data
    finding = next(finding for finding in check_city(files) if finding.code == code)
    assert finding.file == file
    assert said in finding.text.zh


@pytest.mark.parametrize(("missing", "code"), [("city.yaml", "C001"), ("geofences/zones.geojson", "C002")])
def test_a_missing_file_is_named(files: dict[str, bytes], missing: str, code: str) -> None:
    del files[missing]
    assert code in {finding.code for finding in check_city(files)}


@pytest.mark.parametrize(
    ("file", "old", "new", "hint"),
    [
        ("city.yaml", "lateness: 3s", "lateness: 3", "3s"),
        ("city.yaml", "lateness: 3s", "latenes: 3s", "lateness"),
        ("city.yaml", "zj-2020", "zj-2021", "zj-2020"),
        ("city.yaml", "Asia/Shanghai", "Asia/Shanghia", "Asia/Shanghai"),
        ("city.yaml", "wgs84", "CGCS2000", "wgs84"),
        ("trucks.csv", ",31000,", ",31,", "31000"),
        ("trucks.csv", ",31000,", ',"31,000",', "31000"),
        ("trucks.csv", ",4,rigid", ",４,rigid", "4"),
        ("trucks.csv", "carrier_name", "carier_name", "carrier_name"),
        ("stations.csv", "120.105,30.865", "30.865,120.105", "写反"),
        ("permits.csv", "S-001", "S-01", "S-001"),
        ("permits.csv", "22:00-05:00", "22：00－05：00", "22:00-05:00"),
    ],
)
def test_the_hint_says_what_to_write(files: dict[str, bytes], file: str, old: str, new: str, hint: str) -> None:
    files[file] = files[file].decode().replace(old, new, 1).encode()
    assert all(finding.hint is not None and hint in finding.hint.zh for finding in check_city(files))


def test_all_errors_of_all_files_are_told_at_once(files: dict[str, bytes]) -> None:
    changes = [
        ("city.yaml", "lateness: 3s", "lateness: 3"),
        ("city.yaml", "Asia/Shanghai", "Mars/Olympus"),
        ("rules/speed.yaml", "owner: 渣土科", "ownr: 渣土科"),
        ("geofences/zones.geojson", '"parent": "D-1"', '"parent": "D-2"'),
        ("trucks.csv", ",4,rigid", ",four,regid"),
        ("stations.csv", ",2.5,", ",99,"),
        ("permits.csv", "S-001", "S-01"),
        ("calendar.yaml", "mon-fri", "mon-fry"),
    ]
    for file, old, new in changes:
        files[file] = files[file].decode().replace(old, new, 1).encode()
    with pytest.raises(AuthorError) as raised:
        build_city(files)
    findings = raised.value.findings
    assert {finding.file for finding in findings} == {file for file, _, _ in changes}
    assert sum(finding.severity == "error" for finding in findings) >= 10


def test_rows_after_a_wrong_row_are_still_checked(files: dict[str, bytes]) -> None:
    files["trucks.csv"] = b"truck_id,axle_count\nA,x\nB,4,5\nC,99\n"
    found = [(f.line, f.code) for f in check_city(files) if f.file == "trucks.csv"]
    assert found == [(2, "C027"), (3, "C034"), (4, "C028")]


def test_lines_count_through_cells_that_span_several(files: dict[str, bytes]) -> None:
    files["cameras.csv"] = 'camera_id,name,trust\r\na,"东门\r\n二号",1\r\nb,x,7\r\n'.encode()
    [finding] = check_city(files)
    assert (finding.line, finding.code, finding.column) == (4, "C028", 5)
