"""`collector doctor`: what an owner should know of the installation, and what to do about it."""
