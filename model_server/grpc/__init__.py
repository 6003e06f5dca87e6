"""The gRPC door: V2 inference, health, metadata and the repository extension."""
