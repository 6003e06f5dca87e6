"""Training: load, validate, train, evaluate, gate, publish; and launching that as a process or a Job."""
