"""The journal of a session: all that enters it and all that leaves it, written down, and run again from that.

A recorded session is a function of what passes its *door* (`door`): what the client sends, what providers and tools
give, the time of each turn of the loop, chance. The same code is on the session's side of the door, whether beyond it
are real providers (`recording`) or what was written of them (`replaying`).
"""
