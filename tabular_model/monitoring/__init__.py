"""What a version that decides is watched for: drift, fairness, and what became of those whom it approved."""
