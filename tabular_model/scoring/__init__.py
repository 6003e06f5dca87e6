"""The compiled model: a matrix in, probabilities out."""
