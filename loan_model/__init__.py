"""The included model: its declaration, synthetic data with a known truth, and an example application."""

from pathlib import Path

DECLARATION = Path(__file__).with_name("loan.yaml")
