/** What a phone needs: a screen that stays on while somebody talks, and a page as high as what its keyboard leaves free. */

let lock = null; // of the screen
let isWanted = false;

/** Keep the screen on, or let it go dark again. */
export async function keepAwake(isLive) {
  isWanted = isLive;
  if (!isLive) {
    const held = lock;
    lock = null;
    await held?.release();
  } else if (!lock || lock.released) {
    lock = await navigator.wakeLock?.request("screen").catch(() => null); // a battery that is nearly empty refuses
    if (!isWanted) keepAwake(false);
  }
}

// A page that is not seen loses it.
document.addEventListener("visibilitychange", () => isWanted && !document.hidden && keepAwake(true));

/** Some browsers lay their keyboard over the page and tell only here how much of it is left. */
function fit() {
  const { height, scale } = visualViewport;
  const isCovered = scale === 1 && innerHeight - height > 80;
  document.documentElement.style.setProperty("--room", isCovered ? `${height}px` : "100dvh");
  if (isCovered) scrollTo(0, 0);
}
globalThis.visualViewport?.addEventListener("resize", fit);
