"""The settings: every fault is named at once, secrets are not shown."""

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from server.config.environment import load_settings
from server.config.model_variables import adopt_model_variables
from server.domain.deadlines import Deadlines
from server.domain.errors import ConfigError
from server.turntaking.interruption import InterruptionPolicy
from tests.support.certificate import self_signed


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The process's environment without anything of ours: the one seam that settings have."""
    for name in os.environ:
        if name.startswith(("STAGEFLOW_VOICE_", "OPENAI_")):
            monkeypatch.delenv(name)
    return monkeypatch


def test_defaults_need_nothing(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(env_file=None)
    assert (settings.listen_host, settings.port) == ("127.0.0.1", 8080)
    assert not settings.has_chat_model


def test_lists_are_words_and_patterns_lines(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_GUARD_WORDS", "spam, eggs")
    environment.setenv("STAGEFLOW_VOICE_GUARD_PATTERNS", "a{1,2}\nb+")
    settings = load_settings(env_file=None)
    assert settings.guard_words == ("spam", "eggs")
    assert settings.guard_patterns == ("a{1,2}", "b+")


def test_what_interrupts_an_answer_is_set_as_the_policy_has_it(environment: pytest.MonkeyPatch) -> None:
    assert (
        InterruptionPolicy(**load_settings(env_file=None).interruption.model_dump()) == InterruptionPolicy()
    )
    environment.setenv("STAGEFLOW_VOICE_INTERRUPTION__MIN_WORDS", "3")
    assert load_settings(env_file=None).interruption.min_words == 3


def test_what_is_waited_for_is_set_as_the_policy_has_it(environment: pytest.MonkeyPatch) -> None:
    assert Deadlines(**load_settings(env_file=None).deadlines.model_dump()) == Deadlines()
    environment.setenv("STAGEFLOW_VOICE_DEADLINES__FIRST_TOKEN_S", "45")
    assert load_settings(env_file=None).deadlines.first_token_s == 45


def test_three_mistakes_are_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_PORT", "many")
    environment.setenv("STAGEFLOW_VOICE_LEAD_MS", "9")
    environment.setenv("STAGEFLOW_VOICE_LIMITS__MAX_SESSIONS", "0")
    with pytest.raises(ConfigError) as refused:
        load_settings(env_file=None)
    lines = str(refused.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "STAGEFLOW_VOICE_PORT",
        "STAGEFLOW_VOICE_LEAD_MS",
        "STAGEFLOW_VOICE_LIMITS__MAX_SESSIONS",
    ]
    assert "200" in lines[1]


def test_faults_across_fields_name_their_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_GUARD_PATTERNS", "(")
    with pytest.raises(ConfigError) as refused:
        load_settings({"host": "0.0.0.0", "agent": "openai"}, env_file=None)
    for name in ("GUARD_PATTERNS", "HOST", "AGENT"):
        assert f"STAGEFLOW_VOICE_{name}:" in str(refused.value)


@pytest.mark.parametrize("url", ["foo", "localhost:11434", "http://", "http://host:many/v1", "ftp://host/v1"])
def test_a_chat_model_wants_a_url(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigError, match=r"\n  OPENAI_BASE_URL: is no URL.*http://localhost:11434/v1"):
        load_settings(env_file=None)


def test_the_host_of_a_chat_model_is_named_without_a_password(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPENAI_API_KEY", "secret")
    environment.setenv("OPENAI_MODEL", "some-model")
    assert load_settings(env_file=None).chat_host == "api.openai.com"
    environment.setenv("OPENAI_BASE_URL", "http://me:secret@localhost:11434/v1")
    assert load_settings(env_file=None).chat_host == "localhost:11434"


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_a_chat_model_without_a_name_is_a_fault(environment: pytest.MonkeyPatch, variable: str) -> None:
    environment.setenv(variable, "http://localhost:11434/v1")
    with pytest.raises(
        ConfigError, match=r"\n  OPENAI_MODEL: .*none is named.*STAGEFLOW_VOICE_AGENT=embedded"
    ):
        load_settings(env_file=None)
    environment.setenv("OPENAI_MODEL", "llama")
    assert load_settings(env_file=None).uses_chat_model
    environment.setenv("OPENAI_MODEL", "")
    environment.setenv("STAGEFLOW_VOICE_AGENT", "embedded")
    assert not load_settings(env_file=None).uses_chat_model


def test_an_empty_variable_names_no_chat_model(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPENAI_API_KEY", "")
    environment.setenv("OPENAI_BASE_URL", "")
    assert not load_settings(env_file=None).uses_chat_model


def test_what_is_no_setting_is_named_with_the_nearest(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("STAGEFLOW_VOICE_EAGERNES", "low")
    environment.setenv("stageflow_voice_interruption_min_words", "2")
    environment.setenv("STAGEFLOW_VOICE_WHISPER_DIR", "/models")  # read where the models are
    environment.setenv("stageflow_voice_limits__max_sessions", "2")
    (tmp_path / ".env").write_text("STAGEFLOW_VOICE_OPENAI_MODEL=m\nSTAGEFLOW_VOICE_XYZZY=\nOTHER=1\n")
    with pytest.raises(ConfigError) as refused:
        load_settings(env_file=tmp_path / ".env")
    assert str(refused.value).splitlines()[1:] == [
        "  STAGEFLOW_VOICE_EAGERNES: is no setting; did you mean STAGEFLOW_VOICE_EAGERNESS?",
        "  STAGEFLOW_VOICE_INTERRUPTION_MIN_WORDS: is no setting; "
        "did you mean STAGEFLOW_VOICE_INTERRUPTION__MIN_WORDS?",
        "  STAGEFLOW_VOICE_OPENAI_MODEL: is no setting; did you mean OPENAI_MODEL?",
        "  STAGEFLOW_VOICE_XYZZY: is no setting",
    ]


def test_every_kind_of_fault_is_named_in_one_list(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("STAGEFLOW_VOICE_PROT", "1")
    environment.setenv("STAGEFLOW_VOICE_LEAD_MS", "9")
    environment.setenv("STAGEFLOW_VOICE_LIMITS__MAX_SESSIONS", "0")
    environment.setenv("STAGEFLOW_VOICE_TLS_CERT_FILE", str(tmp_path / "none.pem"))
    environment.setenv("STAGEFLOW_VOICE_TLS_KEY_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError) as refused:
        load_settings({"host": "0.0.0.0"}, env_file=None)
    lines = str(refused.value).splitlines()[1:]
    assert [line.split(":")[0].removeprefix("  STAGEFLOW_VOICE_") for line in lines] == [
        "PROT", "LEAD_MS", "LIMITS__MAX_SESSIONS", "HOST", "TLS_CERT_FILE", "TLS_KEY_FILE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "kind", "other"),
    [
        ("SILENCE_DURATION_MS", "700", "server_vad", "semantic_vad"),
        ("EAGERNESS", "low", "semantic_vad", "server_vad"),
    ],
)
def test_what_the_turn_detection_does_not_heed_is_a_fault(
    environment: pytest.MonkeyPatch, name: str, value: str, kind: str, other: str
) -> None:
    environment.setenv(f"STAGEFLOW_VOICE_{name}", value)
    environment.setenv("STAGEFLOW_VOICE_TURN_DETECTION", other)
    with pytest.raises(ConfigError, match=f"VOICE_{name}: .* STAGEFLOW_VOICE_TURN_DETECTION is {kind}"):
        load_settings(env_file=None)
    environment.setenv("STAGEFLOW_VOICE_TURN_DETECTION", kind)
    load_settings(env_file=None)


def test_a_silence_alone_is_a_fault(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_SILENCE_DURATION_MS", "700")
    with pytest.raises(ConfigError, match="does nothing unless STAGEFLOW_VOICE_TURN_DETECTION is server_vad"):
        load_settings(env_file=None)


def test_what_cannot_be_parsed_is_a_fault_too(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_LIMITS", "{not json")
    with pytest.raises(ConfigError, match="STAGEFLOW_VOICE_LIMITS"):
        load_settings(env_file=None)


def test_keys_are_never_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_API_KEYS", "sesame-of-sixteen,open-of-sixteen-too")
    environment.setenv("OPENAI_API_KEY", "sk-hidden")
    environment.setenv("OPENAI_MODEL", "some-model")
    settings = load_settings({"host": "0.0.0.0"}, env_file=None)
    assert len(settings.api_keys) == 2
    assert "sesame" not in repr(settings)
    assert "sk-hidden" not in repr(settings)


def test_a_certificate_and_its_key_make_tls(tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    certificate = load_settings(made.settings(), env_file=None).certificate()
    assert certificate is not None
    assert isinstance(certificate.context, ssl.SSLContext)
    assert load_settings(env_file=None).certificate() is None


def tls_fault(**files: Path) -> str:
    """What is said of these files, in one line."""
    with pytest.raises(ConfigError) as refused:
        load_settings(files, env_file=None)
    (line,) = str(refused.value).splitlines()[1:]
    return line.strip()


def test_half_of_a_certificate_is_a_fault_of_the_other_half(tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    cert, key = "STAGEFLOW_VOICE_TLS_CERT_FILE", "STAGEFLOW_VOICE_TLS_KEY_FILE"
    assert tls_fault(tls_cert_file=made.cert_file).startswith(f"{key}: is missing")
    assert tls_fault(tls_key_file=made.key_file).startswith(f"{cert}: is missing")


def test_a_file_of_tls_that_cannot_be_used_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    made, none = self_signed(tmp_path), tmp_path / "none.pem"
    (tmp_path / "other").mkdir()
    other = self_signed(tmp_path / "other")
    locked, broken = tmp_path / "locked.pem", tmp_path / "broken.pem"
    command = f"openssl pkey -in {made.key_file} -aes256 -passout pass:word -out {locked}"
    subprocess.run(command.split(), check=True, capture_output=True)
    broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    for cert, key, fault in (
        (none, made.key_file, f"CERT_FILE: {none} cannot be read (No such file or directory): set it to"),
        (made.cert_file, none, f"KEY_FILE: {none} cannot be read (No such file or directory): set it to"),
        (tmp_path, made.key_file, f"CERT_FILE: {tmp_path} cannot be read (Is a directory): set it to"),
        (made.key_file, made.key_file, f"CERT_FILE: {made.key_file} holds no certificate: one begins with"),
        (made.cert_file, made.cert_file, f"KEY_FILE: {made.cert_file} holds no private key: one begins with"),
        (made.cert_file, other.key_file, f"KEY_FILE: {other.key_file} is not the private key of the certif"),
        (
            made.cert_file,
            locked,
            f"KEY_FILE: {locked} is encrypted, and nobody is asked for a password: open",
        ),
        (made.cert_file, broken, f"KEY_FILE: {broken} cannot be used with {made.cert_file} ("),
    ):
        assert tls_fault(tls_cert_file=cert, tls_key_file=key).startswith(f"STAGEFLOW_VOICE_TLS_{fault}")


@pytest.mark.parametrize(
    ("host", "keys", "numbers"),
    [
        (None, "x", "1"),
        (None, "k1,x,k3,y", "2, 4"),
        ("0.0.0.0", "fifteen-letters", "1"),
        ("voice.example", "sixteen-letters!,little", "2"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch, host: str | None, keys: str, numbers: str
) -> None:
    with pytest.raises(
        ConfigError, match=f"API_KEYS: number {numbers} (is|are) too short: a key has"
    ) as fault:
        load_settings({"host": host, "api_keys": keys}, env_file=None)
    assert not any(key in str(fault.value) for key in keys.split(",") if len(key) > 2)


def test_keys_that_are_long_enough_have_names(environment: pytest.MonkeyPatch) -> None:
    load_settings({"api_keys": "k1,k2", "key_names": "shop"}, env_file=None)
    load_settings({"host": "0.0.0.0", "api_keys": "sixteen-letters!"}, env_file=None)
    with pytest.raises(ConfigError) as fault:
        load_settings({"api_keys": "k1,k1", "key_names": "shop,till,office"}, env_file=None)
    assert [line.partition(":")[0] for line in str(fault.value).splitlines()[1:]] == [
        "  STAGEFLOW_VOICE_API_KEYS",
        "  STAGEFLOW_VOICE_KEY_NAMES",
    ]


def test_the_variables_of_the_models_may_stand_in_the_file(tmp_path: Path) -> None:
    names = [
        "MODELS_DIR",
        "WHEELS",
        "MOONSHINE_DIR",
        "WHISPER_DIR",
        "MINILM_DIR",
        "SILERO_DIR",
        "SMART_TURN_DIR",
    ]
    lines = [f"STAGEFLOW_VOICE_{name}=/of/the/file" for name in names]
    (tmp_path / ".env").write_text("\n".join([*lines, "STAGEFLOW_VOICE_PORT=1", "OTHER=2"]))
    environment = {"STAGEFLOW_VOICE_WHEELS": "/of/the/environment"}
    adopt_model_variables(tmp_path / ".env", environment)
    assert environment == {
        f"STAGEFLOW_VOICE_{name}": "/of/the/environment" if name == "WHEELS" else "/of/the/file"
        for name in names
    }


def test_no_log_may_hold_what_is_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPENAI_API_KEY", "sk-provider")
    environment.setenv("OPENAI_MODEL", "some-model")
    environment.setenv("OPENAI_BASE_URL", "http://me:sesame@localhost:11434/v1")
    settings = load_settings({"api_keys": "k1,k2"}, env_file=None)
    assert set(settings.secrets()) == {"k1", "k2", "sk-provider", "sesame"}


def test_words_to_listen_for_are_bounded(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_PHRASES", "DAHDI, Anna Kowalski")
    assert load_settings(env_file=None).phrases == ("DAHDI", "Anna Kowalski")
    for phrases in ("x" * 65, ",".join(map(str, range(101)))):
        environment.setenv("STAGEFLOW_VOICE_PHRASES", phrases)
        with pytest.raises(ConfigError, match="PHRASES"):
            load_settings(env_file=None)
