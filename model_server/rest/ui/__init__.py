"""The page at `/` for people: one HTML file with its style and script, which ask this server's own endpoints."""
