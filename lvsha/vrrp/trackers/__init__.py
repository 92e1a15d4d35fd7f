"""What watches the things that a virtual router tracks. None of it may hold up an advertisement."""
