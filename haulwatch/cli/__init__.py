"""The commands: one verb a file, each with `add(subparsers)` that names its options and its `run`."""
