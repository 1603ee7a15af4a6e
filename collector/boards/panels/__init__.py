"""The boards `solar-panels` and `solar-panel`: all panels against their arrays, and one panel through its years.

Promises: a panel is compared with those of its own array, in fairness to its size. Refuses: to say why one gives less.
"""
