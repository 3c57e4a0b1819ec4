"""Schema migrations of the order store, run when it is opened."""
