"""The model that ships: its declaration, synthetic data whose truth is known, and an example application."""

from pathlib import Path

DECLARATION = Path(__file__).with_name("loan.yaml")
