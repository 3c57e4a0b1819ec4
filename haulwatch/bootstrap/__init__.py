"""The composition root: which real thing stands behind which port. Nothing is decided here; a module a process."""

from haulwatch.bootstrap.cities import city_picture, load_city, load_runtime, open_order_store
from haulwatch.bootstrap.embedded import Embedded, embedded

__all__ = ["Embedded", "city_picture", "embedded", "load_city", "load_runtime", "open_order_store"]
