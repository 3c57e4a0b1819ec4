"""Evidence packs: everything about one order in one file that a person can check without this system."""
