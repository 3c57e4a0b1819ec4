"""A city: its rules, zones, registry and settings as one immutable bundle with a content hash (docs/city.md)."""

from haulwatch.city.assembly import City, build_city, check_city
from haulwatch.city.calendar import Calendar
from haulwatch.city.comparing import compare_cities
from haulwatch.city.files import city_files, pack_city, unpack_city

__all__ = ["Calendar", "City", "build_city", "check_city", "city_files", "compare_cities", "pack_city", "unpack_city"]
