"""Weighbridges and weigh-in-motion: indicators that send without being asked, platforms that post what they weighed."""
