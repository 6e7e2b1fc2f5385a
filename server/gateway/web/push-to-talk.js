/** Hold the space bar or the circle to talk, where the session does not find the ends of turns itself. */

/**
 * @param {HTMLElement} circle
 * @param {() => import("./voice-client.js").VoiceClient | null} talking the client that is to hear, if there is one now
 */
export function holdToTalk(circle, talking) {
  let client = null; // while something is held

  const press = () => {
    client = talking();
    if (!client) return;
    client.interrupt();
    client.connection.send({ type: "input_audio_buffer.clear" });
    client.mute(false);
  };
  const release = () => {
    if (!client) return;
    client.mute(true);
    for (const type of ["input_audio_buffer.commit", "response.create"]) client.connection.send({ type });
    client = null;
  };

  circle.addEventListener("pointerdown", press);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, release);
  addEventListener("blur", release);
  const isSpace = ({ code, target }) => code === "Space" && !target.closest?.("input, textarea, select, button, summary, a");
  document.addEventListener("keydown", (event) => {
    if (!isSpace(event) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  document.addEventListener("keyup", (event) => isSpace(event) && release());
}
