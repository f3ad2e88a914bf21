"""The bookings mirror: filled from the read API, kept fresh by what webhooks hint at."""

from bridge.mirror.mirror import Mirror

__all__ = ["Mirror"]
