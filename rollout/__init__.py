"""Progressive delivery: moves a version's share of the traffic, judges it, and continues or rolls back."""
