"""The page in Firefox: it loads, connects, hears and is heard, and knows what was."""

import pytest

from tests.support.firefox import FIREFOX, BrowserHangsError, FirefoxPage, firefox
from tests.support.live_server import LONG, live_server
from tests.web.talking import EAR, WORDS, begin, check_words

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        FIREFOX is None, reason="NO FIREFOX: the page is not tested in it; apt-get install firefox-esr"
    ),
]


@pytest.mark.timeout(900)  # three times
async def test_a_conversation() -> None:
    async with live_server(vad="webrtc") as server:
        for is_last in (False, False, True):
            try:
                async with firefox(script=EAR + WORDS) as page:
                    await check_conversation(page, server.port)
                return
            except BrowserHangsError:
                if is_last:
                    raise


async def check_conversation(page: FirefoxPage, port: int) -> None:
    await begin(page, port)
    await page.wait_for(
        "document.getElementById('talk').dataset.state === 'hearing'"
    )  # the microphone's tone
    await page.click("#mic")
    await check_words(page, LONG)
    assert await page.evaluate("heard.some(({state, loudness}) => state === 'speaking' && loudness > 0.01)")
    assert page.complaints == []
