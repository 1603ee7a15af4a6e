"""The latest of every gateway and inverter, at an MQTT broker: plain JSON for any program, with what Home Assistant
needs to show devices and entities of its own accord.

Promises: what a broker holds is the latest state, whatever happened in between, and nothing waits in a queue; the
names of topics, keys and entities stay for ever, also when a device is renamed or replaced. Refuses commands: nothing
that comes from a broker changes anything here.
"""
