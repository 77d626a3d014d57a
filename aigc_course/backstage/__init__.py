"""The command line and what it does; no page and no other module of the package imports it."""
