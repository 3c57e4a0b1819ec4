"""The dataflow: what happens to one event, in order, and the hosts that run it."""
