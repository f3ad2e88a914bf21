"""Bookings as Slack messages: parts, templates, limits, and the escaping of all that people typed."""
