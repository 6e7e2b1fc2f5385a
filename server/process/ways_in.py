"""How a person of this machine gets at the server that has just started: the page's address, and a command."""

from shlex import quote

from server.config.settings import Settings
from server.gateway.sockets.binding import in_url

_ALL = ("0.0.0.0", "::")


def page_url(settings: Settings, port: int, key: str = "") -> str:
    """The page's address for the browser of this machine; what follows the # is never sent to anybody."""
    scheme = "https" if settings.tls_cert_file else "http"
    return f"{scheme}://{_local_host(settings)}:{port}/" + (f"#key={key}" if key else "")


def talk_command(settings: Settings, port: int, key: str = "", *, trusts_own: bool = False) -> str:
    """What talks to the server from a terminal of this machine. `trusts_own` is for a certificate that nobody else
    vouches for."""
    trust = f"SSL_CERT_FILE={quote(str(settings.tls_cert_file))} " if trusts_own else ""
    option = f" --api-key {key or 'KEY'}" if settings.api_keys else ""
    scheme = "wss" if settings.tls_cert_file else "ws"
    url = f"{scheme}://{_local_host(settings)}:{port}/v1/realtime"
    return f"{trust}scripts/talk docs/examples/question.wav{option} --url {url}"


def _local_host(settings: Settings) -> str:
    """By which this machine reaches the server: no browser can be sent to "all addresses"."""
    return "localhost" if settings.listen_host in _ALL else in_url(settings.listen_host)
