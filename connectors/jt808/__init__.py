"""JT/T 808 terminals (2011, 2013, 2019): frames → messages → events, answered when durable (docs/jt808.md)."""
