"""Label-free rewards from semantic entropy."""
