"""What connectors over HTTP share: who may send, and how much."""
