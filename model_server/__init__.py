"""The KServe predictor: one data plane behind V2 REST, V2 gRPC, the plain JSON API and files."""
