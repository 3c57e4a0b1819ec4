"""Logging in: the pages for it, and by whom else people are vouched for."""
