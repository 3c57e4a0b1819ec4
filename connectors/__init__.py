"""The edge: bytes on one side, domain events on the other; decides nothing."""
