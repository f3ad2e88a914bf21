"""Every query, one module a subject; core values in and out, never rows."""
