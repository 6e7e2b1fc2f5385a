"""How long tests wait for other processes and for sockets before they say what did not come.

It ends what would hang, and says nothing about the product: a busy machine takes many times as long as a quiet one.
What must happen in time is held in virtual time.
"""

PATIENCE_S = 90.0
