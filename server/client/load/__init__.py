"""The load client: callers that speak prepared frames, play what comes back through the ring of the other clients, and
measure from the microphone's sample to the sample that is heard. `ear`, `caller`, `figures`, `search` and `reference`
know no loop and no socket; `runner` gives them both."""
