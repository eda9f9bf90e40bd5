"""Which groups and responses give no signal: gates on groups, guards on responses."""
