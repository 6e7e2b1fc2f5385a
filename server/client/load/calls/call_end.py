"""How a call has ended: as its script wanted, or by the server, or the network."""

from websockets.asyncio.client import ClientConnection
from websockets.frames import CloseCode

from server.client.load.calls.caller import Caller
from server.client.load.calls.performance import Wish
from server.client.load.calls.turns import Ending
from server.client.load.hearing.mouth import FRAME_S

HUNG_UP_FRAMES = 5
"""What was due so shortly before the server hung up may not have been sent: it was no longer to be heard."""

_ENDINGS = {Wish.TALK: Ending.DONE, Wish.HANG_UP: Ending.HUNG_UP, Wish.CUT: Ending.CUT}


def script_ended(caller: Caller) -> None:
    """All has been said and heard, or the caller wishes to leave."""
    caller.record.ending = _ENDINGS[caller.wish]


def line_ended(caller: Caller, socket: ClientConnection) -> None:
    """The connection is lost."""
    if not caller.is_done:
        record = caller.record
        record.ending = Ending.CUT if caller.line_ended() else Ending.LOST
        if socket.close_code == CloseCode.ABNORMAL_CLOSURE:
            record.why = "the connection broke off: the server died, or the network did"
        else:
            record.why = f"closed by the server with {socket.close_code} {socket.close_reason or ''}".rstrip()


def frames_due(caller: Caller, lasted_s: float) -> int:
    """How many frames were to be sent in a call that lasted so long."""
    frames = int(lasted_s / FRAME_S)
    return max(0, frames - HUNG_UP_FRAMES) if caller.record.ending is Ending.LOST else frames


def cut_if_wished(caller: Caller, socket: ClientConnection) -> None:
    """Break the connection, where the script wants that."""
    if caller.wish is Wish.CUT:
        socket.transport.abort()
