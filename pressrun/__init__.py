"""Continuous training for a newsroom's models."""
