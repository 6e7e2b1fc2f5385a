"""The half of a session that answers: what is asked for, what the floor says to do, and what is reported of it."""

from dataclasses import dataclass

from server.response.announcements import Announcements
from server.response.context import ResponseContext
from server.response.playback import PlaybackReports
from server.response.requests import RequestContext, Requests
from server.session.base import SessionBase
from server.session.floor_keeper import FloorKeeper, KeeperContext
from server.session.listening import Listening
from server.session.speculation import Speculation
from server.session.turn_reports import TurnReports
from server.tools.mcp_calls import McpCalls
from server.tools.mcp_servers import SessionMcpServers


@dataclass(frozen=True, slots=True)
class Answering:
    """The parts of one session that answer, each made of those before it."""

    mcp: McpCalls
    announcements: Announcements
    requests: Requests
    playback: PlaybackReports
    speculation: Speculation
    """What preparing answers in pauses has brought."""


def answering_of(base: SessionBase, listening: Listening) -> Answering:
    """The parts, put together."""
    services, tasks, outbound = base.services, base.tasks, base.outbound
    servers = SessionMcpServers(base.session_id, services.tool_servers, base.conversation, outbound, tasks)
    mcp = McpCalls(servers, base.conversation, outbound, tasks, services.deadlines.mcp_call_s)
    announcements = Announcements(listening.inbox, tasks)
    responses = _response_context(base, listening, mcp, announcements)
    requests = Requests(RequestContext(listening.inbox, base.config, base.holder, responses, listening.clips))
    playback = PlaybackReports(
        base.conversation, outbound, base.link, base.holder, base.now, is_reported=base.holds_voice
    )
    reports = _turn_reports(base, listening, playback)
    listening.utterances.tell(reports)
    speculation = Speculation()
    listening.inbox.serve(
        FloorKeeper(
            KeeperContext(
                floor=listening.floor,
                inbox=listening.inbox,
                holder=base.holder,
                hearing=listening.hearing,
                speech=listening.speech,
                microphone=listening.microphone,
                announcements=announcements,
                spoken=listening.spoken,
                reports=reports,
                speculation=speculation,
                of_responses=responses,
                requests=requests,
                config=base.config,
                tasks=tasks,
                observer=services.observer,
                raises_impossible=services.raises_impossible,
            )
        )
    )
    return Answering(mcp, announcements, requests, playback, speculation)


def _turn_reports(base: SessionBase, listening: Listening, playback: PlaybackReports) -> TurnReports:
    return TurnReports(
        base.session_id,
        listening.hearing,
        base.outbound,
        playback,
        base.holder,
        base.services.observer,
        base.now,
        base.services.uses,
    )


def _response_context(
    base: SessionBase, listening: Listening, mcp: McpCalls, announcements: Announcements
) -> ResponseContext:
    services = base.services
    return ResponseContext(
        session_id=base.session_id,
        pipelines=services.pipelines,
        language=listening.language,
        conversation=base.conversation,
        outbound=base.outbound,
        ports=services.new_ports(announcements.remind, base.owner),
        mcp=mcp,
        confirmed_tools=services.confirmed_tools,
        utterances=listening.utterances,
        deadlines=services.deadlines,
        inbox=listening.inbox,
        max_context_tokens=services.limits.max_context_tokens,
        link=base.link,
        now=base.now,
        tasks=base.tasks,
        user_id=None if base.owner == base.session_id else base.owner,
        raises_impossible=services.raises_impossible,
    )
