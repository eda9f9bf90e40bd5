"""The HTTP reward server: single samples and whole groups in, rewards out. docs/server.md is its contract.

From the pure to the world: `transcript` tells a response from its prompt; `openrlhf` reads and writes OpenRLHF's
bodies; `crew` scores in other processes; `service` joins scoring to the rendezvous; `metrics` counts; `http` reads
bodies and refuses; `app` has the routes; `process` has sockets, signals and the end.

Needs the extra `server`; importing this package does not.
"""
