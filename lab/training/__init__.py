"""A run at work: its flags, its start or resumption, and what is kept of it."""
