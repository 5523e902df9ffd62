"""A run at work: its flags, how it starts or goes on, and what it writes."""
