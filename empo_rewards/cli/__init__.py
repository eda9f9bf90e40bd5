"""The command line. `app` registers the commands; each has a module of its own."""
