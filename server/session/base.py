"""What all parts of a session share: who it is, what it is configured to, its tasks, its conversation, its client."""

from dataclasses import dataclass

from server.conversation.memory import Conversation
from server.domain.clock import Now
from server.domain.ids import Ids
from server.domain.values import ConfigInForce
from server.output.link import Link
from server.output.outbound import Outbound
from server.response.holder import FloorHolder
from server.session.closing import Closing
from server.session.services import Services
from server.session.tasks import SessionTasks


@dataclass(frozen=True, slots=True)
class SessionBase:
    """What the parts of one session share."""

    session_id: str
    owner: str
    """Whom what is done for good is done for; without anybody's key, the session alone."""
    ids: Ids
    services: Services
    config: ConfigInForce
    holds_voice: bool
    """Whether the client can lower and hold the voice, and reports what it has played."""
    tasks: SessionTasks
    closing: Closing
    link: Link
    outbound: Outbound
    conversation: Conversation
    holder: FloorHolder
    now: Now
