"""Calendars at secret addresses: entries to bytes, kept so that a change costs what changed."""
