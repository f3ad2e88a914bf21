"""Load and soak: not collected by pytest; see `__main__`."""
