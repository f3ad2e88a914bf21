"""Deliveries to Slack: claim, send, settle."""
