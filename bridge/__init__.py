"""booking-bridge: Copera bookings as Slack messages and calendar feeds."""

__version__ = "0.1.0"
