"""What a session does at its client's word: every command of the domain, obeyed with plain calls."""

import logging
from typing import assert_never

from server.conversation.items import ItemCommand, obey_item_command
from server.domain import commands as cmd
from server.domain import events as ev
from server.domain.errors import ClientError
from server.domain.mcp_tools import Approval
from server.domain.voice_events import Ping, Played, Pong, VoiceCommand
from server.session.answering import Answering
from server.session.base import SessionBase
from server.session.listening import Listening

log = logging.getLogger(__name__)


class Orders:
    """Obeys the commands of one client; a command that cannot be obeyed changes nothing but is told."""

    def __init__(self, base: SessionBase, listening: Listening, answering: Answering) -> None:
        self._base = base
        self._listening = listening
        self._answering = answering
        self._keep_idle_time()

    def complain(self, error: ClientError) -> None:
        """Tell the client what was wrong."""
        self._base.services.observer.problem(error.code)
        self._base.outbound.put(ev.Problem(error))

    def obey(self, command: cmd.Order | cmd.Noted) -> None:
        """Do it. Raises ClientError with the command's `ref`."""
        if isinstance(command, cmd.Noted):
            self._obey_noted(command)
            return
        try:
            if isinstance(command, VoiceCommand):
                self._obey_voice_command(command)
                return
            match command:
                case cmd.CommitAudio():
                    self._listening.microphone.commit()
                case cmd.ClearAudio():
                    self._listening.microphone.clear()
                case cmd.Configure():
                    self._configure(command)
                case cmd.CreateResponse(options=options):
                    self._answering.requests.create(options)
                case cmd.CancelResponse(response_id=response_id):
                    self._answering.requests.cancel(response_id)
                case cmd.ClearOutput():
                    self._answering.requests.clear_output()
                case _:
                    self._obey_item(command)
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    def _obey_noted(self, noted: cmd.Noted) -> None:
        try:
            self.obey(noted.command)
        finally:
            for problem in noted.problems:
                fields = {"session": self._base.session_id}
                log.warning("the client was told: %s", problem.message, extra=fields)
                self.complain(problem)

    def _obey_voice_command(self, command: VoiceCommand) -> None:
        match command:
            case Ping():
                self._base.outbound.put(Pong())
            case Played():
                self._answering.playback.report(command)
            case _:
                assert_never(command)

    def _obey_item(self, command: ItemCommand) -> None:
        approval = command.item.detail if isinstance(command, cmd.AddItem) else None
        if isinstance(approval, Approval):
            self._answering.mcp.check(approval)
        for event in obey_item_command(command, self._base.conversation, self._listening.clips):
            self._base.outbound.put(event)
        if isinstance(approval, Approval):
            self._answering.mcp.decide(approval)

    def _configure(self, command: cmd.Configure) -> None:
        self._listening.microphone.configure(command.config)
        self._base.config.current = command.config
        self._keep_idle_time()
        self._base.outbound.put(ev.SessionConfigured(command.config, command.ignored))
        if command.ignored:
            params = ", ".join(setting.param for setting in command.ignored)
            fields = {"session": self._base.session_id}
            log.info("settings that change nothing: %s", params, extra=fields)
        self._answering.mcp.configure(command.config.mcp)

    def _keep_idle_time(self) -> None:
        detection = self._base.config.detection
        idle_ms = detection.idle_timeout_ms if detection else None
        self._listening.floor.set_idle_s(None if idle_ms is None else idle_ms / 1000, self._base.now())
