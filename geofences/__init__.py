"""Where: zones, their index, loading, and coordinate datums."""
