"""What a person of the server's own machine is told to open and to call."""

from server.config.environment import load_settings
from server.config.settings import Settings
from server.process.ways_in import page_url, talk_command


def settings(**chosen: object) -> Settings:
    return load_settings(chosen, env_file=None)


def test_a_server_for_this_machine_alone_needs_nothing() -> None:
    assert page_url(settings(), 8080) == "http://127.0.0.1:8080/"
    here = "scripts/talk docs/examples/question.wav --url ws://127.0.0.1:8080/v1/realtime"
    assert talk_command(settings(), 8080) == here


def test_a_server_for_others_is_reached_by_its_name_and_asks_for_a_key() -> None:
    outside = settings(host="0.0.0.0", api_keys="a-key-of-the-operator")
    assert page_url(outside, 8080) == "http://localhost:8080/"
    assert "--api-key KEY --url ws://localhost:8080/" in talk_command(outside, 8080)
