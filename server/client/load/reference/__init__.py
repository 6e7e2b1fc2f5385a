"""The reference agent, whose delays are known: what it says, and by how much a figure is wrong."""
