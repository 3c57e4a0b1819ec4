"""A fictional city, its traffic, and the truth about both: for trying out, tuning and measuring rule books."""
