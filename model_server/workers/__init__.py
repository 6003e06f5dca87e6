"""Several processes that serve at the same two ports: their group, and what each knows of it."""
