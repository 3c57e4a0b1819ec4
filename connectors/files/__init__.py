"""Recorded events in files: NDJSON (plain, gzip, zstandard), Parquet, standard input."""
