"""Everything a user changes, as types, with errors that name file, line, key and remedy."""
