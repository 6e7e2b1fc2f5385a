"""Tools that run outside a run of the pipeline: MCP servers that a client names, and the calls made there."""
