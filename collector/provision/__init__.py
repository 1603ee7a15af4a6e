"""Makes what collector, InfluxDB and Grafana share before they can work.

Promises: each step does what is still to be done and leaves the rest, so that both can run at every start and a run
that was cut off is completed by the next; a file of a secret is there whole or not at all; no line holds a secret.
Refuses: to replace a password or key, which a database may already have been set up with; to make tokens, and so take
back those in use, for a folder that the first step has not filled.

`secrets` fills `influxdb` and `grafana` in FOLDER with random passwords, a key, and InfluxDB's first token.
`accounts` asks InfluxDB, by that token, for the buckets and for two tokens that may do less: `collector` reads and
writes the two buckets, `grafana` reads them. InfluxDB keeps a hash of a token and can't show it again, so a token
whose file is lost, or whose buckets were made anew, is replaced.

`broker` fills `mqtt` in FOLDER, where the broker that comes with the containers is wanted, with the list of its users,
and puts the password of each where it is needed.

FOLDER has a folder for each container, which is a volume of its own: what a container does not mount it can't read.
"""

from collector.provision._accounts import make_accounts
from collector.provision._broker import make_broker_secrets
from collector.provision._secret_files import make_secrets

__all__ = ["make_accounts", "make_broker_secrets", "make_secrets"]
