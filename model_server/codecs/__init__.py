"""Codecs: bytes of one protocol to tensors and back; nothing else."""
