"""The domain: what a loan application is, how a model of it is built, judged, versioned and explained."""
