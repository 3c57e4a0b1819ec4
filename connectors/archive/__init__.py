"""The event archive: the log as Parquet files by day and hour, written once, read by whatever reads Parquet."""
