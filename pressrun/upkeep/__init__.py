"""Keeping what the loop leaves behind: maintenance of the lake, erasure of a reader, retraction of a source."""
