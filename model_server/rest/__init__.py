"""The HTTP endpoints: V2 REST, the plain JSON API, metrics and the docs page."""
