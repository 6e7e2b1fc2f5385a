"""Tools of one's own, for whichever chat model is configured. Serve them: scripts/serve docs/examples/own_tools.py"""

from typing import Annotated

from pydantic import Field

from server import Agent, VoiceServer, tool

STOCK = {"shoes": 7, "hats": 0}


@tool(effect="none")
async def in_stock(what: Annotated[str, Field(description="the article, in the plural")]) -> str:
    """Tell how many of an article there are."""
    return f"{STOCK.get(what, 0)} {what}"


@tool(effect="irreversible")
async def order(what: str, pieces: Annotated[int, Field(ge=1, le=10)] = 1) -> str:
    """Order an article for the customer."""
    if STOCK.get(what, 0) < pieces:
        return f"There are not {pieces} {what}."
    STOCK[what] -= pieces
    return f"Ordered: {pieces} {what}."


app = VoiceServer(
    agents=[Agent(instructions="You sell shoes and hats. Look before you promise.", tools=[in_stock, order])],
    confirmed_tools=("order",),  # it runs when the person has said yes
)
