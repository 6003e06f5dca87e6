"""Training on rows that do not fit memory: a sample is looked at row by row, all rows only in sums."""
