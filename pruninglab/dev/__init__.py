"""How what ships was made: networks, embedded images, measured speeds. Not for students."""
