"""What the owner says: `config.toml`, the environment, and the files of secrets that they name.

Promises: nothing is guessed from a mistyped key or a value of another type; every fault is named at once, with its
place (`load`); secrets are in no message and no `repr`. `names` says what each device is called and which clock it
shows. Refuses: to look at anything else; whether a host answers or a folder can be written is for those to find out
who use it.
"""
