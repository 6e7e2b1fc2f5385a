"""The composition root: puts settings, providers, the door and the sessions of one process together.

What new sessions are made of is in `server.config.sources`, how a connection gets its session in `server.reception`.
The command `serve` loads the models, opens the port and runs until it is told to stop (`server.process`).
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from time import time as unix_time_s  # noqa: TID251 - the one place where a wall clock comes in

import anyio
from websockets.asyncio.server import Server, serve

from server.cluster.shared import StoreState, store_state
from server.cluster.store import MemoryStore, Store
from server.config.agents import Crew
from server.config.providers import ROLES, Providers
from server.config.recording import RecordingRules
from server.config.settings import Settings
from server.config.sources import SessionSources
from server.dialects.realtime.locks import Pinned
from server.dialects.realtime.secrets import SecretOrders, render_secret
from server.dialects.registry import DIALECTS, DialectTable
from server.domain.ids import new_id
from server.first_use import make_ready
from server.gateway.door.admission import Admission
from server.gateway.door.backstage import Overload, Unready
from server.gateway.door.client_secrets import ClientSecrets
from server.gateway.door.http import DoorRules, FrontDoor
from server.gateway.door.roster import Roster
from server.gateway.door.shared_secrets import SharedSecrets
from server.gateway.returns.conversations import Conversations
from server.gateway.returns.moves import Moves
from server.gateway.returns.returning import Returns
from server.gateway.sockets.binding import cannot_bind
from server.gateway.sockets.connection import GuardedConnection
from server.gateway.sockets.frame_memory import FrameMemory
from server.gateway.sockets.meter import PING_S, IntakeLimits
from server.gateway.sockets.tls import Certificate
from server.journal.recorder import Recorder
from server.reception import Reception
from server.response.prepared import Prepared
from server.telemetry.loop_watch import LoopWatch
from server.telemetry.metrics import Metrics
from server.telemetry.pressure import Pressure, Strain
from server.tools.mcp_policy import McpPolicy

log = logging.getLogger(__name__)


class App:
    """The application of one server process: it opens the port, and holds the live sessions. Implements
    `server.gateway.door.backstage.Backstage`."""

    certificate: Certificate | None = None
    """What TLS is served with, once the port is open. Somebody must keep it new (`Certificate.keep`)."""

    def __init__(
        self,
        settings: Settings,
        providers: Providers,
        crew: Crew | None = None,
        dialects: DialectTable = DIALECTS,
        store: Store | None = None,
        prepared: Mapping[str, Prepared] | None = None,
    ) -> None:
        """Without a `store` it keeps one of its own in memory; `prepared` is what its own words are, if they have been
        spoken. Raises ConfigError where the crew's pipeline cannot work."""
        self._prepared = prepared
        self._store = store = store or MemoryStore()
        limits, quotas = settings.limits, settings.quotas
        self._pressure = Pressure(limits.max_loop_lag_ms / 1000, limits.max_model_wait_ms / 1000)
        self._roster = roster = Roster(limits.max_sessions, _returns(settings, store))
        self._metrics = Metrics(
            lambda: len(roster),
            lambda: store_state(store) is not StoreState.LOST,
            self._pressure,
            roster.asking,
        )
        self.overload, self.would_be_late = partial(_overload, self._pressure), self._metrics.would_be_late
        sources = self._sources_of(settings, providers, crew or Crew())
        hosting = McpPolicy(settings.mcp_servers)
        self._orders = SecretOrders(hosting, sources.session_config, sources.abilities)
        self._secrets = SharedSecrets[Pinned](
            ClientSecrets(quotas.secrets_bytes_per_key), store, self._orders, anyio.current_time, unix_time_s
        )
        admission = Admission(
            quotas, store, refusals=self._metrics, now=anyio.current_time, of_keys=sources.limits_of_keys()
        )
        keys = tuple(key.get_secret_value() for key in settings.api_keys)
        rules = DoorRules(keys, settings.allowed_origins, settings.trusted_networks())
        door = FrontDoor(rules, self, self._secrets, admission, dialects)
        conversations = _conversations(settings, store, roster.returns.node)
        moves = Moves(store, conversations, roster.returns, anyio.current_time)
        self._reception = Reception(
            sources, door, admission, roster, self._secrets, dialects, hosting, conversations, moves
        )

    def _sources_of(self, settings: Settings, providers: Providers, crew: Crew) -> SessionSources:
        returns = self._roster.returns
        return SessionSources.of(
            settings,
            providers,
            crew,
            unix_time_s=unix_time_s,
            may_wait=lambda: returns.detached < settings.limits.max_detached,
            observer=self._metrics,
        )

    async def take(self, settings: Settings, providers: Providers, crew: Crew) -> None:
        """Have new sessions use these; running ones go on with theirs. Raises ConfigError, and then nothing changes."""
        sources = self._sources_of(settings, providers, crew)
        await anyio.to_thread.run_sync(partial(_own_tools, sources))
        self._reception.sources = sources
        self._reception.admission.of_keys = sources.limits_of_keys()
        self._orders.defaults, self._orders.abilities = sources.session_config, sources.abilities
        await self._speak_ahead()

    async def _speak_ahead(self, prepared: Mapping[str, Prepared] | None = None) -> None:
        self._reception.sources = await self._reception.sources.spoken_ahead(prepared)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Server]:
        """The open port; on the way out every session is ended with 1001, and what they shared is closed.

        Raises ConfigError when it cannot be opened.
        """
        sources = self._reception.sources
        settings = sources.settings
        await anyio.to_thread.run_sync(partial(_own_tools, sources))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, partial(make_ready, *_of_texts(sources)))
            tasks.start_soon(self._speak_ahead, self._prepared)
        self.certificate = await anyio.to_thread.run_sync(settings.certificate)
        async with self._recorded(settings.record), await self._open_port(settings) as server:
            try:
                yield server
            finally:
                await self._roster.end(self._reception.moves.leave_behind)

    async def _open_port(self, settings: Settings) -> Server:
        """Raises ConfigError when it cannot be opened."""
        limits, door = settings.limits, self._reception.door
        intake = IntakeLimits(bytes_per_s=limits.max_bytes_per_s)
        memory = FrameMemory(limits.max_large_frames_bytes, limits.max_frame_bytes)
        try:
            return await serve(
                self._reception.converse,
                settings.listen_host,
                settings.port,
                ssl=self.certificate.context if self.certificate else None,
                compression=None,  # audio does not compress, and it costs 60 % more CPU
                max_size=limits.max_frame_bytes,
                open_timeout=5,
                close_timeout=2,
                ping_interval=PING_S,
                ping_timeout=None,  # the guard knows whether a pong could have come
                server_header=None,
                create_connection=GuardedConnection.with_limits(intake, memory),
                process_request=door.process_request,
                select_subprotocol=door.select_subprotocol,
            )
        except (OSError, UnicodeError) as error:
            raise cannot_bind(settings.listen_host, settings.port, error) from error

    @asynccontextmanager
    async def _recorded(self, rules: RecordingRules) -> AsyncIterator[None]:
        """Sessions that are opened within are recorded, if the rules want it; they are over before it ends."""
        if rules.dir is None:
            yield
            return
        recorder = Recorder(rules)
        await recorder.prepare()
        self._reception.recorder = recorder
        try:
            yield
        finally:
            await recorder.close()

    async def watch(self) -> None:
        """Warm the language models up, and measure the process for `/metrics`. Returns only when cancelled."""
        with self._reception.tasks.watching():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._reception.sources.warm_up)
                tasks.start_soon(LoopWatch().watch)
                tasks.start_soon(self._reception.admission.keep_seats)
                tasks.start_soon(self._reception.conversations.run, self._roster.returns.publish_again)
                tasks.start_soon(self._reception.moves.run)
                tasks.start_soon(self._roster.returns.run)
                await self._metrics.watch()

    @property
    def node(self) -> str:
        """Its name among the nodes that share a store; "" where it is alone."""
        return self._roster.returns.node

    async def drain(self) -> None:
        """Refuse new sessions, and wait for those that run, as long as the settings have it; where nodes share a store
        they are sent to another one."""
        patience_s, store = self._reception.sources.settings.drain_s, self._store
        if store_state(store) is None:
            await self._roster.drain(patience_s)
        else:  # without the store no other node could have them
            await self._roster.drain(patience_s, may_move=lambda: store_state(store) is StoreState.REACHED)

    # --- what the door asks --------------------------------------------------------------------------------

    def health(self) -> Mapping[str, object]:
        """What `/healthz` tells, now."""
        sources = self._reception.sources
        return {
            "status": "ok",
            "sessions": len(self._roster),
            "providers": dict(zip(ROLES.values(), sources.providers.names, strict=True)),
            "agents": sources.abilities.agents,
            "voices": [asdict(voice) for voice in sources.services.voices],
            "languages": sources.abilities.languages,
        }

    def unready(self) -> Unready | None:
        """Why no session can be opened now; None when one can."""
        is_late = self._pressure.strain is Strain.HEAVY
        return self._roster.unready or (Unready.OVERLOADED if is_late else None)

    def store(self) -> StoreState | None:
        """Whether the store that nodes share answers; None where there is none."""
        return store_state(self._store)

    def metrics(self) -> str:
        """The page of `/metrics`."""
        return self._metrics.page()

    def mint(self, body: bytes, key: str) -> Mapping[str, object]:
        """A client secret for the body of a request. Raises ClientError."""
        value, order = self._secrets.mint(body, key), self._orders.read(body)
        if order.ignored:
            params = ", ".join(setting.param for setting in order.ignored)
            log.info("settings of a client secret that change nothing: %s", params)
        return render_secret(value, order, int(unix_time_s()) + order.lifetime_s)


def _overload(pressure: Pressure) -> Overload:
    return Overload(pressure.cause, pressure.wait_s, pressure.retry_after_s(anyio.current_time()))


def _conversations(settings: Settings, store: Store, node: str) -> Conversations:
    return Conversations(
        store, node, keep_s=settings.keep_s, lease_s=settings.limits.max_session_s, now=anyio.current_time
    )


def _returns(settings: Settings, store: Store) -> Returns:
    lease_s = settings.limits.max_session_s + settings.resume_grace_s
    node = "" if store_state(store) is None else new_id("node")
    return Returns(store, node=node, grace_s=settings.resume_grace_s, lease_s=lease_s, now=anyio.current_time)


def _of_texts(sources: SessionSources) -> tuple[int, set[str]]:
    """The rate of the voice, and the languages in which a session may have its texts read."""
    voice = sources.providers.voice
    spoken = getattr(getattr(voice, "capabilities", None), "languages", ("*",))
    return voice.rate_hz, {*spoken, *sources.abilities.languages}


def _own_tools(sources: SessionSources) -> None:
    """Declare the tools of a session, which takes some milliseconds the first time. Raises ConfigError."""
    sources.services.new_ports(lambda *_: lambda: None, "nobody")
