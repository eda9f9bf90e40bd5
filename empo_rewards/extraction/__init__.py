"""Response -> answer."""
