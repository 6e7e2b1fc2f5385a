"""The load client: callers that speak prepared frames, play what comes back through the ring of the other clients, and
measure from the microphone's sample to the sample that is heard.

From the top: `measuring` (loads and searches), `figures` (what is made of the facts), `reference` (an agent with known
delays), `calls`, `hearing`. `hearing.ear`, `calls.caller`, `figures.search` and `reference.agent` know no loop and no
socket; `calls.runner` gives them both. Protocols are in `targets`, what they and a caller tell each other in `wire`.
"""
