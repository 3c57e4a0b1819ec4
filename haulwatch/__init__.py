"""haulwatch: construction-waste truck events in, explained warning work orders out."""

__version__ = "0.1.0"
