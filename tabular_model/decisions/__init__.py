"""The record of decisions: what was asked and decided, in Parquet, chained so that a change of it is found."""
