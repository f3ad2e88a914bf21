"""YAML as admins write it: a tree in which everything has its place, and every slip its words."""
