"""Small helpers that any module may use: atomic writes, name suggestions, fast records."""
