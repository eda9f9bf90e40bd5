"""The HTTP reward server: single samples and whole groups in, rewards out. docs/server.md is its contract.

Modules, pure ones first: `transcript` finds the response in a query; `openrlhf` reads and writes OpenRLHF's bodies;
`schemas` describes and checks the other bodies; `tasks` is what workers do (read bodies, score, write answers);
`service` gathers samples into groups and has them scored; `metrics` counts; `bodies` reads HTTP bodies;
`access` admits requests (API key, size) and logs them; `report` keeps the last groups for the page at `/`, which
`browser` lets browsers see; `app` has the routes; `logs` writes the log; `connections`
bounds and closes connections; `process` has the socket, the signals, the worker processes and the shutdown.

Needs the extra `server`; importing this package does not.
"""
