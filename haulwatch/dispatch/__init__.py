"""Work orders: findings come in, people act on them, everything that happened stays on record."""
