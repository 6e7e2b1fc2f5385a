"""What is answered where no session can be opened now, and to who asks whether one can (`/readyz`)."""

from server.gateway.door.backstage import Backstage, Unready
from server.gateway.requests.pages import FOR_ALL, Page, error_page, json_page

LATER = ("Retry-After", "5")
STOPPING = error_page(
    503, "server_stopping", "The server is stopping: try again.", LATER, type="server_error"
)


def not_now(backstage: Backstage) -> Page | None:
    """The answer to who wants a session; None where it gets one, or is told in it that there is no place."""
    reason = backstage.unready()
    if reason is Unready.DRAINING:
        return STOPPING
    if reason is Unready.OVERLOADED or (reason is None and backstage.would_be_late()):
        seconds = backstage.overload().retry_after_s
        return error_page(
            503,
            "server_overloaded",
            f"The server has too much to do: try again in {seconds} s.",
            ("Retry-After", str(seconds)),
            type="server_error",
        )
    return None


def readiness(backstage: Backstage) -> Page:
    """Whether sessions can be opened, and why not."""
    reason = backstage.unready()
    if reason is None:
        store = backstage.store()
        return json_page(200, {"status": "ready"} | ({} if store is None else {"store": store}), FOR_ALL)
    if reason is not Unready.OVERLOADED:
        return json_page(503, {"status": reason}, LATER, FOR_ALL)
    overload = backstage.overload()
    told = {"status": reason, "cause": overload.cause, "wait_ms": round(1000 * overload.wait_s)}
    return json_page(503, told, ("Retry-After", str(overload.retry_after_s)), FOR_ALL)
