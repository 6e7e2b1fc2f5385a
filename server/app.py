"""The composition root: puts providers, pipelines and sessions together, and is the only file that knows that a wire
is a socket.

The command `serve` loads the models, opens the port and runs until it is told to stop (`server.cli.serve`).
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from time import time as unix_time_s  # noqa: TID251 - the one place where a wall clock comes in

import anyio
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from server.cluster.shared import StoreState, store_state
from server.cluster.store import MemoryStore, Store
from server.config.agents import Crew
from server.config.keys import key_name
from server.config.pipeline import build_pipelines, voice_settings
from server.config.providers import ROLES, Providers
from server.config.settings import Settings
from server.config.warm_up import warm_up
from server.dialects.realtime.locks import Pinned
from server.dialects.realtime.secrets import SecretOrder, read_order, render_secret
from server.dialects.registry import DIALECTS, DialectTable, OpenedBy, Opening, SessionDialect
from server.domain.deadlines import Deadlines
from server.domain.errors import ClientError, ConfigError
from server.domain.ids import Ids
from server.domain.values import Abilities, ResumeOffer, SessionConfig, TurnDetection
from server.domain.wire import Dialect, ResumableDialect, WireClosed
from server.first_use import make_ready
from server.gateway.admission import Admission, Visitor
from server.gateway.binding import cannot_bind
from server.gateway.client_secrets import ClientSecrets
from server.gateway.connection import GuardedConnection
from server.gateway.frame_memory import FrameMemory
from server.gateway.handshake import presented_key
from server.gateway.http import Backstage, DoorRules, FrontDoor, Unready, path_of
from server.gateway.meter import IntakeLimits
from server.gateway.returning import TAKEN_OVER, Claim, NotResumed, Returns, resume_claim
from server.gateway.roster import Roster
from server.gateway.shared_secrets import SharedSecrets
from server.gateway.tls import Certificate
from server.gateway.unsent import unsent_bytes
from server.response.context import Pipelines
from server.response.prepared import prepare
from server.session.resumption import ResumePass
from server.session.services import Services
from server.session.session import Session
from server.telemetry.logs import about
from server.telemetry.loop_watch import LoopWatch
from server.telemetry.metrics import Metrics
from server.telemetry.pressure import Pressure, Strain
from server.tools.mcp_policy import McpPolicy
from server.turntaking.interruption import InterruptionPolicy
from stageflow.errors import PipelineBuildError
from stageflow.stages.ports import AudioPorts, CorePorts, LLMPorts, StagePorts
from stageflow.tools import ToolRegistry
from stages.errors import ProviderError, StageSettingsError
from stages.pipeline import (
    build_say_pipeline,
)
from stages.ports import HasTools, LanguageModel, Remind
from stages.runtime.lines import calls_of

log = logging.getLogger(__name__)

PREPARE_S = 20.0
"""How long the voice may take, at the start, for each sentence that is spoken ahead."""


class _SocketWire:
    """A websockets connection as the session's wire."""

    def __init__(self, connection: GuardedConnection, on_heard: Callable[[], None] | None = None) -> None:
        """`on_heard` is called with the first frame."""
        self._connection = connection
        self._on_heard = on_heard

    @property
    def latency_s(self) -> float:
        return self._connection.latency

    @property
    def close_code(self) -> int | None:
        return self._connection.ended_with

    @property
    def unsent_bytes(self) -> int:
        return unsent_bytes(self._connection.transport)

    @property
    def buffered_bytes(self) -> int:
        return self._connection.transport.get_write_buffer_size()

    async def receive(self) -> str | bytes | None:
        try:
            frame = await self._connection.recv()
        except ConnectionClosed:
            return None
        if self._on_heard is not None:
            self._on_heard()
            self._on_heard = None
        return frame

    async def send(self, frame: str | bytes) -> None:
        if self._connection.send_now(frame):
            return
        try:
            await self._connection.send(frame)
        except ConnectionClosed as closed:
            raise WireClosed from closed

    async def close(self, code: int, reason: str) -> None:
        await self._connection.close(code, reason)


class App:
    """One server process: its services and its live sessions."""

    def __init__(
        self,
        settings: Settings,
        providers: Providers,
        crew: Crew | None = None,
        dialects: DialectTable = DIALECTS,
        store: Store | None = None,
    ) -> None:
        """Without a `store` it keeps one of its own in memory. Raises ConfigError where the crew's pipeline cannot
        work."""
        store = store or MemoryStore()
        self._settings = settings
        self._providers = providers
        self._crew = crew or Crew()
        self._roster = Roster(settings.limits.max_sessions, _returns(settings, store))
        self.certificate: Certificate | None = None
        """What TLS is served with, once the port is open. Somebody must keep it new (`Certificate.keep`)."""
        limits = settings.limits
        pressure = Pressure(limits.max_loop_lag_ms / 1000, limits.max_model_wait_ms / 1000)
        self._metrics = Metrics(
            lambda: len(self._roster), lambda: store_state(store) is not StoreState.LOST, pressure
        )
        self._dialects = dialects
        voices = tuple(voice.name for voice in providers.voice.voices)
        self._opening = Opening(
            SessionConfig(),
            Abilities(providers.languages, voices),
            hosting=McpPolicy(settings.mcp_servers),
        )
        """What every dialect is made with; its session's settings come when there is one."""
        self._secrets = SharedSecrets(
            ClientSecrets[Pinned](settings.quotas.secrets_bytes_per_key),
            store,
            lambda body: _opened_by(read_order(body, self._session_config(), self._opening.hosting)),
            anyio.current_time,
            unix_time_s,
        )
        self._services = self._new_services()
        self._admission = Admission(
            settings.quotas,
            store,
            refused=self._metrics.refused,
            now=anyio.current_time,
        )
        keys = tuple(key.get_secret_value() for key in settings.api_keys)
        self._door = FrontDoor(
            DoorRules(keys, settings.allowed_origins, settings.trusted_networks()),
            Backstage(
                health=self._health,
                unready=lambda: self._roster.unready or _overload(pressure),
                store=lambda: store_state(store),
                metrics=self._metrics.page,
                mint=self._mint,
                is_secret=lambda key: self._secrets.find(key) is not None,
                learn=self._secrets.learn,
                share=self._secrets.share,
            ),
            self._admission,
            dialects,
        )

    def _new_services(self) -> Services:
        settings, providers = self._settings, self._providers
        return Services(
            recogniser=providers.recogniser,
            new_vad=providers.detector,
            pipelines=_pipelines(settings, providers, self._crew),
            new_ports=partial(_ports, providers, self._crew),
            greeting=self._crew.agents[0].greeting or "",
            end_of_turn=providers.end_of_turn,
            tool_servers=providers.tool_servers,
            confirmed_tools=_confirmed(settings, providers.model),
            limits=settings.limits,
            deadlines=Deadlines(**settings.deadlines.model_dump()),
            voices=tuple(providers.voice.voices),
            interruption=InterruptionPolicy(**settings.interruption.model_dump()),
            lead_ms=settings.lead_ms,
            unreported_lead_ms=settings.unreported_lead_ms,
            chunk_ms=settings.output_chunk_ms,
            unix_time_s=unix_time_s,
            may_wait=lambda: self._roster.returns.detached < settings.limits.max_detached,
            observer=self._metrics,
        )

    async def take(self, settings: Settings, providers: Providers, crew: Crew) -> None:
        """Have new sessions use these; running ones go on with theirs. Raises ConfigError, and then nothing changes."""
        before = self._settings, self._providers, self._crew
        self._settings, self._providers, self._crew = settings, providers, crew
        try:
            self._services = self._new_services()
        except Exception:
            self._settings, self._providers, self._crew = before
            raise
        await self._speak_ahead()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Server]:
        """The open port; on the way out every session is ended with 1001, and what they shared is closed.

        Raises ConfigError when it cannot be opened.
        """
        limits = self._settings.limits
        intake = IntakeLimits(bytes_per_s=limits.max_bytes_per_s)
        memory = FrameMemory(limits.max_large_frames_bytes, limits.max_frame_bytes)
        settings = self._settings
        own_tools = partial(self._services.new_ports, lambda *_: lambda: None, "nobody")
        await anyio.to_thread.run_sync(make_ready, self._providers.voice.rate_hz, own_tools)
        await self._speak_ahead()
        self.certificate = await anyio.to_thread.run_sync(settings.certificate)
        try:
            listener = await serve(
                self._converse,
                settings.listen_host,
                settings.port,
                ssl=self.certificate.context if self.certificate else None,
                compression=None,  # audio does not compress, and it costs 60 % more CPU
                max_size=limits.max_frame_bytes,
                open_timeout=5,
                close_timeout=2,
                ping_interval=20,
                ping_timeout=None,  # the guard knows whether a pong could have come
                server_header=None,
                create_connection=GuardedConnection.with_limits(intake, memory),
                process_request=self._door.process_request,
                select_subprotocol=self._door.select_subprotocol,
            )
        except (OSError, UnicodeError) as error:
            raise cannot_bind(settings.listen_host, settings.port, error) from error
        async with listener as server:
            try:
                yield server
            finally:
                await self._roster.end()

    async def _speak_ahead(self) -> None:
        """Have spoken now what is said when a provider is late or fails."""
        services = self._services
        pipelines = services.pipelines
        try:
            async with self._providers.of_session() as providers:
                prepared = await prepare(providers.voice, (pipelines.apology, pipelines.filler), PREPARE_S)
        except (ProviderError, TimeoutError) as error:
            log.warning("the voice could not speak ahead, and does so when asked: %s", error)
            return
        self._services = replace(services, pipelines=replace(pipelines, prepared=prepared))

    async def watch(self) -> None:
        """Warm the language models up, and measure the process for `/metrics`. Returns only when cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._warm_up)
            tasks.start_soon(LoopWatch().watch)
            tasks.start_soon(self._admission.keep_seats)
            await self._metrics.watch()

    async def _warm_up(self) -> None:
        async with self._providers.of_session() as providers:
            await warm_up(
                {id(model): model for model in (providers.model, *providers.models.values())}.values()
            )

    async def drain(self) -> None:
        """Refuse new sessions, and wait for those that run, as long as the settings have it."""
        await self._roster.drain(self._settings.drain_s)

    async def _converse(self, connection: ServerConnection) -> None:
        assert isinstance(connection, GuardedConnection), "`listening` asks for nothing else"
        headers = connection.request.headers if connection.request else Headers()
        visitor = self._door.visitor(connection, headers)
        if (claim := resume_claim(headers)) is not None:
            refusal = await _resume(self._roster.returns, connection, visitor, claim)
            if refusal is not None:
                self._metrics.refused(refusal, "not_resumed")
            return
        async with self._admission.seated(visitor, str(connection.id)):
            await self._open_session(connection, visitor)

    async def _open_session(self, connection: GuardedConnection, visitor: Visitor) -> None:
        assert connection.request is not None, "there was a handshake"
        wire, target = _SocketWire(connection), connection.request.path
        key = presented_key(connection.request.headers)
        route = self._dialects.find(path_of(target), connection.subprotocol)
        assert route is not None, "the door lets nobody in who speaks nothing"
        by_secret = route.opened_by is OpenedBy.KEY_OR_SECRET
        pinned = self._secrets.find(key) if by_secret else None
        opening = replace(
            self._opening,
            config=route.defaults(self._session_config(), target),
            max_clips_s=self._settings.limits.max_utterance_s,
            pinned=pinned,
            ids=Ids(),
        )
        dialect = route.make(opening)
        if self._roster.unready is Unready.FULL:  # while it drains, nobody gets through the door
            await _refuse(wire, dialect, self._settings.limits.max_sessions)
            return
        within_quota, name = partial(self._admission.check_response, visitor), self._key_name(key)
        owner = None if name is None else f"key {name}"
        async with self._providers.of_session() as providers:
            services = self._services
            if providers is not self._providers:
                services = replace(
                    services,
                    recogniser=providers.recogniser,
                    new_ports=partial(_ports, providers, self._crew),
                )
            ticket, offer = ResumePass(), None
            if self._roster.returns.grace_s and isinstance(dialect, ResumableDialect):
                offer = ResumeOffer(ticket.offer(), self._roster.returns.grace_s)
            session = Session(
                wire, dialect, services, dialect.config, within_quota, owner, opening.ids, offer
            )
            async with AsyncExitStack() as kept:
                if offer is not None and isinstance(dialect, ResumableDialect):
                    await kept.enter_async_context(
                        self._roster.returns.keep(session, dialect, ticket, offer.token, visitor.holder)
                    )
                await self._run_session(session, dialect, name if pinned is None else "client-secret")

    async def _run_session(self, session: Session, dialect: SessionDialect, key_name: str | None) -> None:
        with about(session=session.id, key=key_name):
            log.info("session started")
            for setting in dialect.ignored:
                log.info("%s: %s", setting.param, setting.message)
            try:
                with self._roster.has(session), calls_of(session.id):
                    await session.run()
            finally:
                log.info("session ended", extra={"close_code": session.close_code})

    def _key_name(self, presented: str | None) -> str | None:
        """What the log calls a key of ours; nothing where everybody may come in, or with a client secret."""
        keys = [key.get_secret_value() for key in self._settings.api_keys]
        names = self._settings.key_names
        return next((key_name(n, names) for n, key in enumerate(keys) if key == presented), None)

    def _session_config(self) -> SessionConfig:
        return SessionConfig(
            instructions=self._settings.instructions,
            turn_detection=TurnDetection(
                kind=self._settings.turn_detection,
                eagerness=self._settings.eagerness,
                silence_duration_ms=self._settings.silence_duration_ms,
            ),
        )

    def _health(self) -> Mapping[str, object]:
        providers = dict(zip(ROLES.values(), self._providers.names, strict=True))
        return {"status": "ok", "sessions": len(self._roster), "providers": providers}

    def _mint(self, body: bytes, key: str) -> Mapping[str, object]:
        value = self._secrets.mint(body, key)
        opening = self._opening
        order = read_order(body, self._session_config(), opening.hosting, opening.abilities)
        if order.ignored:
            params = ", ".join(setting.param for setting in order.ignored)
            log.info("settings of a client secret that change nothing: %s", params)
        return render_secret(value, order, int(unix_time_s()) + order.lifetime_s)


def _overload(pressure: Pressure) -> Unready | None:
    return Unready.OVERLOADED if pressure.strain is Strain.HEAVY else None


def _returns(settings: Settings, store: Store) -> Returns:
    lease_s = settings.limits.max_session_s + settings.resume_grace_s
    return Returns(store, grace_s=settings.resume_grace_s, lease_s=lease_s, now=anyio.current_time)


async def _resume(
    returns: Returns, connection: GuardedConnection, visitor: Visitor, claim: Claim
) -> int | None:
    """Give a session to the connection, for as long as it lasts, or close it and say why not: with what."""
    try:
        session, before = await returns.attach(claim, visitor.holder, partial(_SocketWire, connection))
    except NotResumed as refusal:
        await connection.close(refusal.close_code, refusal.reason)
        return refusal.close_code
    log.info("session resumed", extra={"session": session.id})
    await before.close(TAKEN_OVER, "another connection has taken over")
    await connection.wait_closed()
    return None


def _opened_by(order: SecretOrder) -> tuple[Pinned, float]:
    """What such a secret opens, and for how many seconds."""
    return order.pinned, order.lifetime_s


async def _refuse(wire: _SocketWire, dialect: Dialect, limit: int) -> None:
    from server.domain.events import Problem

    error = ClientError(
        "session_limit_reached", f"The server holds at most {limit} sessions; try again later."
    )
    for frame in dialect.encode(Problem(error)):
        await wire.send(frame)
    await wire.close(1013, "session limit reached")


def _confirmed(settings: Settings, model: LanguageModel) -> frozenset[str]:
    """Those that are configured, or else those that a model with tools of its own says."""
    if settings.confirmed_tools is not None:
        return frozenset(settings.confirmed_tools)
    return frozenset(getattr(model, "confirmed_tools", ()))


def _ports(providers: Providers, crew: Crew, remind: Remind, owner: str) -> StagePorts:
    """What the runs of one session use, whose providers these are."""
    model = providers.model
    theirs = model.session_tools(remind, owner).tools if isinstance(model, HasTools) else ()
    tools = ToolRegistry([*crew.tools, *providers.operator_tools(), *theirs])
    return StagePorts(
        core=CorePorts(db=providers.db),
        llm=LLMPorts(llm_provider=model, tool_registry=tools),
        audio=AudioPorts(stt_provider=providers.recogniser, tts_provider=providers.voice),
    )


def _pipelines(settings: Settings, providers: Providers, crew: Crew) -> Pipelines:
    try:
        live = build_pipelines(settings, crew, providers.models, providers.voice)
    except (StageSettingsError, PipelineBuildError) as error:
        raise ConfigError(f"the configuration cannot be used:\n  pipeline.hook: {error}") from error
    voice = voice_settings(settings, crew)
    return Pipelines(
        voice=live.voice,
        text=live.text,
        work=live.work,
        refusal=settings.guard_refusal,
        say=build_say_pipeline(providers.voice, voice),
        say_text=build_say_pipeline(None),
    )
