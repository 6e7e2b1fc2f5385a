"""A caller and the reference agent without a loop or a socket: time goes from one message to the next. Pure."""

from server.client.load.calls.caller import Caller
from server.client.load.calls.performance import Wish
from server.client.load.calls.turns import CallRecord, Ending
from server.client.load.reference.agent import ReferenceAgent

_END_S = 3_600.0


def hold_call(
    caller: Caller,
    agent: ReferenceAgent,
    *,
    link_s: float = 0.0,
    until_s: float = _END_S,
    ends_with: Ending = Ending.DONE,
) -> CallRecord:
    """The whole call, or what there is of it `until_s`; every message is `link_s` on its way."""
    record, told_s = caller.record, 0.0
    record.connected_s, record.ending = 0.0, ends_with
    while not caller.is_done and caller.due_s() < until_s:
        agent_s = agent.due_s()
        # A message that is late, because what it depends on was noticed late, is sent at once.
        if agent_s is not None and max(agent_s, told_s) + link_s <= caller.due_s():
            now_s = max(agent_s, told_s)
            for message in agent.send(now_s):
                caller.take(message, now_s + link_s)
            if agent.hangs_up:
                record.ending, record.why = Ending.LOST, "the server has hung up"
                break
            continue
        now_s = caller.due_s()
        for message in caller.tick():
            agent.take(message, now_s + link_s)
        told_s = now_s + link_s
    if caller.wish is Wish.HANG_UP:
        record.ending = Ending.HUNG_UP
    elif caller.wish is Wish.CUT:
        record.ending = Ending.CUT
    caller.settle()
    record.ended_s = caller.due_s()
    return record
