"""Everything an operator may set, in one frozen object that refuses what does not fit together.

Every field is the variable `STAGEFLOW_VOICE_<FIELD>`; lists are separated by commas. A `.env` file in the
working directory is read too, the environment wins (`server.config.environment`). The keys of chat models keep the
names that everybody uses: `OPENAI_API_KEY`, `OPENAI_BASE_URL`, `OPENAI_MODEL`.
"""

import ipaddress
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    SettingsConfigDict,
)

from audio.echo import PACKAGE
from server.cluster.opening import store_fault
from server.config.keys import key_faults, limited_key_faults
from server.config.languages import PHRASES, language_faults, with_language
from server.config.recording import RecordingRules
from server.config.waits import Interruption, Waits
from server.domain.limits import Limits
from server.gateway.door.quotas import KeyLimits, Quotas
from server.gateway.requests.addresses import Network, read_networks
from server.gateway.sockets.tls import Certificate, tls_faults
from server.tools.mcp_policy import entry_faults
from stages.ports import MAX_PHRASE_CHARS, MAX_PHRASES
from stages.text.matching import faults as match_faults

PREFIX = "STAGEFLOW_VOICE_"
OPENAI_URL = "https://api.openai.com/v1"
"""Where a chat model is when `OPENAI_BASE_URL` does not say it."""

Words = Annotated[tuple[str, ...], NoDecode]
"""Words separated by commas in the environment."""
Phrases = Annotated[tuple[Annotated[str, Field(max_length=MAX_PHRASE_CHARS)], ...], NoDecode]
"""The same, none of them long."""


class Settings(BaseSettings):
    """Everything an operator may set. Frozen; secrets never show in its repr."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore", env_nested_delimiter="__"
    )

    host: str | None = None
    """Address to listen on; without one, 127.0.0.1."""
    port: int = Field(8080, ge=0, le=65_535)
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Keys that clients must present. Without any, the server listens on loopback only."""
    key_names: Words = ()
    """What the log calls the keys, in their order; without a name, `key-1` and so on."""
    allowed_origins: Words = ()
    tls_cert_file: Path | None = None
    """PEM file of the certificate and its chain: the server then speaks https and wss only."""
    tls_key_file: Path | None = None
    drain_s: float = Field(5.0, ge=0.0, le=86_400.0)
    """How long sessions may go on after SIGTERM, while no new ones are taken; less than whoever sends it waits."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    log_personal: bool = False
    """Whether the log may hold what people said: messages of exceptions, and of servers that are asked."""

    language: Words = ("en",)
    """What is spoken: en, es, fr, de, it, or several of them. Others than English alone have embedded parts for them
    unless others are named, and what the server says and listens for by itself is in them."""
    phrases: Phrases = Field((), max_length=MAX_PHRASES)
    """Words that are likely to be said, such as names, of 64 characters at most: recognisers that listen for words are
    told of them, and of those of the agents and of the client."""
    stt: str = "embedded"
    """The recogniser by its name, as all providers: built in, a package's entry point, or `module:Class`."""
    llm: str | None = None
    """The language model; without one, what `agent` says."""
    agent: Literal["auto", "embedded", "openai", "scripted"] = "auto"
    """`auto`: a chat model when OPENAI_API_KEY or OPENAI_BASE_URL is set, otherwise the demo."""
    tts: str = "embedded"
    model_threads: int = Field(1, ge=1, le=64)

    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    openai_model: str = Field("", validation_alias="OPENAI_MODEL")
    """The chat model's name, as its server calls it. There is no default: names are retired every year."""

    instructions: str = Field(PHRASES["en"].instructions, max_length=20_000)
    guard_words: Words = ()
    guard_patterns: Words = ()
    """Regular expressions of RE2, one a line: they may hold commas. See `stages.text.patterns`."""
    guard_max_chars: int = Field(4_000, ge=100, le=100_000)
    """A longer text is refused where the guard has rules."""
    guard_refusal: str = Field(PHRASES["en"].refusal, min_length=1, max_length=500)
    mcp_servers: Words = ()
    """Servers of tools that clients may name: URLs, which allow what is under them, and `label=URL`. Empty: none."""
    confirmed_tools: Words | None = None
    """Tools of the server's that run only when the person has said yes to a question about it; `,` for none. If it is
    not set, those that the language model says of its own."""
    booking_db: str = ":memory:"
    """SQLite file of the embedded agent's bookings."""

    vad: str = "silero"
    """What tells speech from noise: Silero's model, or WebRTC's detector, which costs next to nothing."""
    end_of_turn: str = "smart_turn"
    """A model that hears whether somebody has finished; `none` leaves it to words and silence."""
    turn_detection: Literal["server_vad", "semantic_vad"] = "semantic_vad"
    """How ends of turns are found, unless the client says otherwise: by so much silence, or by what was said."""
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    """How soon semantic turn detection takes a pause for the end; with `server_vad` it may not be set."""
    silence_duration_ms: int = Field(500, ge=100, le=5000)
    """The silence that ends a turn with `server_vad`; with semantic turn detection it may not be set."""
    vad_mode: int = Field(2, ge=0, le=3)
    """How readily WebRTC's detector says no."""
    lead_ms: int = Field(400, ge=200, le=1500)
    """Audio sent ahead of what has been played, to clients that report it (`voice.v1`): it grows when they run dry."""
    unreported_lead_ms: int = Field(1300, ge=200, le=5000)
    """The same for clients that report nothing: enough for a second in which the network delivers nothing. It grows
    when audio has waited for the network."""
    echo_cancellation: Literal["off", "auto", "on"] = "off"
    """Whether the agent's voice is taken out of what clients send that do not say that they do so themselves: `auto`
    begins where an echo was heard, `on` with the first answer. Needs the extra `echo`."""
    resume_grace_s: float = Field(30.0, ge=0.0, le=600.0)
    """How long a session of `voice.v1` waits for its client to come back when the line is lost; 0: not at all."""
    keep_s: float = Field(300.0, ge=0.0, le=86_400.0)
    """How long what was said is kept when a session is over, for a client that opens another with its id; 0: not at
    all."""
    output_chunk_ms: int = Field(100, ge=20, le=200)
    interruption: Interruption = Interruption()
    deadlines: Waits = Waits()
    limits: Limits = Limits()
    record: RecordingRules = RecordingRules()
    quotas: Quotas = Quotas()
    keys: Mapping[str, KeyLimits] = Field(default_factory=dict)
    """By name, as in `key_names`: keys that may have more or less than others."""
    store: str = "memory"
    """Where the nodes of one server keep what they share: valkey://host:6379/0, or redis://…; memory: one node."""
    trusted_proxies: Words = ()
    """Addresses and networks of proxies whose `X-Forwarded-For` is believed."""

    @model_validator(mode="before")
    @classmethod
    def _split_words(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        commas = (
            "api_keys",
            "key_names",
            "confirmed_tools",
            "allowed_origins",
            "guard_words",
            "mcp_servers",
            "phrases",
            "trusted_proxies",
        )
        split = {**dict.fromkeys(commas, ","), "guard_patterns": "\n"}
        data = with_language(data)
        return {
            key: tuple(word.strip() for word in value.split(split[key]) if word.strip())
            if key in split and isinstance(value, str)
            else value
            for key, value in data.items()
        }

    @field_validator("echo_cancellation")
    @classmethod
    def _has_canceller(cls, chosen: str) -> str:
        if chosen != "off" and find_spec(PACKAGE) is None:
            raise ValueError(
                "needs pywebrtc-audio: `scripts/setup echo`, or `pip install 'stageflow-voice[echo]'`"
            )
        return chosen

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = [f"guard_patterns: {fault}" for fault in match_faults((), self.guard_patterns)]
        faults += [f"mcp_servers: {fault}" for fault in entry_faults(self.mcp_servers)]
        keys = [key.get_secret_value() for key in self.api_keys]
        faults += key_faults(keys, self.key_names, is_local=is_loopback(self.listen_host))
        faults += limited_key_faults(tuple(self.keys), len(keys), self.key_names)
        try:
            self.trusted_networks()
        except ValueError as error:
            faults.append(f"trusted_proxies: {error}")
        if fault := store_fault(self.store):
            faults.append(f"store: {fault}")
        faults += language_faults(self.language)
        if not self.api_keys and not is_loopback(self.listen_host):
            faults.append(
                f"host: {self.listen_host} can be reached from outside: "
                f"set {PREFIX}API_KEYS, or listen on 127.0.0.1"
            )
        for field, kind in (("silence_duration_ms", "server_vad"), ("eagerness", "semantic_vad")):
            if field in self.model_fields_set and self.turn_detection != kind:
                variable = f"{PREFIX}TURN_DETECTION"
                faults.append(
                    f"{field}: does nothing unless {variable} is {kind}: set that, or take this away"
                )
        faults += tls_faults(self.tls_cert_file, self.tls_key_file, PREFIX)
        if self.agent == "openai" and not self.has_chat_model:
            faults.append("agent: 'openai' needs OPENAI_API_KEY or OPENAI_BASE_URL")
        if self.llm is None and self.uses_chat_model and not self.openai_model.strip():
            faults.append(
                "OPENAI_MODEL: a chat model is to answer, and none is named: set it to a name that its server knows, "
                f"or set {PREFIX}AGENT=embedded"
            )
        if self.uses_chat_model and self.openai_base_url and (fault := _url_fault(self.openai_base_url)):
            faults.append(f"OPENAI_BASE_URL: {fault}")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def listen_host(self) -> str:
        """The address to bind."""
        return self.host or "127.0.0.1"

    def certificate(self) -> Certificate | None:
        """What to serve TLS with, if anything. Reads files; raises OSError when they cannot be used."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return Certificate(self.tls_cert_file, self.tls_key_file)

    def secrets(self) -> tuple[str, ...]:
        """What no log may hold."""
        keys = (*self.api_keys, *([self.openai_api_key] if self.openai_api_key else ()))
        passwords = [urlsplit(address or "").password for address in (self.openai_base_url, self.store)]
        return (*(key.get_secret_value() for key in keys), *(password for password in passwords if password))

    def trusted_networks(self) -> tuple[Network, ...]:
        """The proxies that are believed. Raises ValueError for what is no address or network."""
        return read_networks(self.trusted_proxies)

    @property
    def has_chat_model(self) -> bool:
        """Whether a chat model is configured."""
        return bool(self.openai_api_key or self.openai_base_url)

    @property
    def llm_name(self) -> str:
        """The name of the language model's provider."""
        usual = "openai" if self.has_chat_model else "demo"
        return (
            self.llm
            or {"auto": usual, "embedded": "demo", "openai": "openai", "scripted": "echo"}[self.agent]
        )

    @property
    def uses_chat_model(self) -> bool:
        """Whether the chat model of `OPENAI_BASE_URL` is the agent."""
        return self.llm_name == "openai"

    @property
    def chat_host(self) -> str:
        """The host, and the port if it is named, that a chat model is asked at."""
        return urlsplit(self.openai_base_url or OPENAI_URL).netloc.rpartition("@")[2]


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return None
    except ValueError:  # a port that is none, brackets that do not match
        pass
    return "is no URL: it begins with http:// or https://, and names a host, as in http://localhost:11434/v1"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
