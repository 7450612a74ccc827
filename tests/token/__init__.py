"""``pyngx token``."""
