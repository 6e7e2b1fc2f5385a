"""A whole measurement: every load or a search of it, by one process or several, and the scenarios that are played."""
