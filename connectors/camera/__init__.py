"""Cameras of any maker that post JSON: where each value stands in it is said in the settings, not in code."""
