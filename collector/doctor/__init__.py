"""`collector doctor`: what an owner should know of the installation, and what to do about it.

Promises: every finding says what is, what that means and what to do; a check that hangs or fails costs its own findings
only. Refuses: to change anything, and to show a secret.
"""
