"""Two agents, and the words that lead to them. Serve them: scripts/serve docs/examples/two_agents.py"""

from server import Agent, Route, VoiceServer, tool


@tool(effect="idempotent")
async def open_ticket(trouble: str) -> str:
    """Note what is broken."""
    return f"Ticket 17: {trouble}"


app = VoiceServer(
    agents=[
        Agent(name="sales", instructions="You sell shoes.", greeting="Hello, this is the shop.", tools=[]),
        Agent(name="support", instructions="You help where something is broken.", tools=[open_ticket]),
    ],
    routes=[
        Route(agent="sales", default=True, keywords=["buy", "price"]),
        Route(agent="support", keywords=["broken", "does not work"], patterns=[r"error \d+"]),
    ],
)
