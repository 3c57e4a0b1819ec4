"""The four forms of `match` as small state machines over one truck's events; `rules.engine` drives them."""
