"""The gRPC endpoint: V2 inference, health, metadata and the repository extension."""
