"""The HTTP doors: V2 REST, the plain JSON API, metrics and the docs page."""
