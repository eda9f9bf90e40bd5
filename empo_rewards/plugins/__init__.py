"""What can be chosen: the hooks, the registry that collects what plugins register, and the built-ins."""
