"""Progressive delivery: moves a version's share of the traffic, judges it, and goes forward or back."""
