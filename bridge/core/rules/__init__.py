"""The rules language: what an admin writes in rules.yaml, read, checked, explained and matched."""
