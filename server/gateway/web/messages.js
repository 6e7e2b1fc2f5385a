/** What can go wrong, in words: a title, what to do about it, and the button that does it. */

const TYPE = "You can type meanwhile.";

/** @type {Record<string, {title: string, text: string, action?: "talk" | "microphone" | "sound" | "key"}>} */
export const MESSAGES = {
  permission_refused: {
    title: "The microphone is blocked",
    text: `Allow it for this page, in the address bar or the settings of your browser. ${TYPE}`,
    action: "microphone",
  },
  no_microphone: { title: "No microphone found", text: `Plug one in and try again. ${TYPE}`, action: "microphone" },
  microphone_busy: {
    title: "The microphone is taken",
    text: `Another program may be using it. ${TYPE}`,
    action: "microphone",
  },
  microphone_lost: { title: "The microphone is gone", text: `Was it unplugged? ${TYPE}`, action: "microphone" },
  microphone_failed: { title: "The microphone does not work", text: TYPE, action: "microphone" },
  microphone_held: {
    title: "The microphone is in use elsewhere",
    text: `A call or another app has it; it may come back by itself. ${TYPE}`,
    action: "microphone",
  },
  sound_held: { title: "The sound is paused", text: "Your device took it away. Tap here to hear again.", action: "sound" },
  no_speaker: { title: "That loudspeaker cannot be used", text: "The sound stays where it was." },
  insecure_page: {
    title: "No microphone on this address",
    text: `Browsers give one only to pages on https or localhost. ${TYPE}`,
  },
  server_unreachable: {
    title: "The server does not answer",
    text: "Is it running? scripts/serve starts it.",
    action: "talk",
  },
  server_lost: {
    title: "The server is gone",
    text: "It did not come back within a minute. Is it still running?",
    action: "talk",
  },
  server_stopping: { title: "The server is about to stop", text: "Try again in a while.", action: "talk" },
  server_full: { title: "All places are taken", text: "The server holds no more conversations just now.", action: "talk" },
  server_refused: {
    title: "The server turned us away",
    text: "Perhaps too many conversations are held from here, or with this key.",
    action: "talk",
  },
  over_quota: { title: "That was too much for now", text: "", action: "talk" },
  origin_refused: {
    title: "This page may not connect",
    text: "The server must name it in STAGEFLOW_VOICE_ALLOWED_ORIGINS.",
  },
  key_needed: {
    title: "This server asks for a key",
    text: "It stays in this tab and is forgotten when you close it.",
    action: "key",
  },
  key_wrong: { title: "The key was not accepted", text: "Look at it again, or ask who runs the server.", action: "key" },
  session_over: { title: "The conversation is over", text: "The server has ended it.", action: "talk" },
  taken_over: {
    title: "The conversation goes on elsewhere",
    text: "Another tab or device has taken it up.",
    action: "talk",
  },
  answer_failed: { title: "That went wrong", text: "The server could not answer. Say it again." },
  not_recognised: { title: "That was not understood", text: "The words could not be recognised. Say it again." },
  server_error: { title: "The server objects", text: "" },
  failed: { title: "This browser cannot do it", text: "The sound could not be set up.", action: "talk" },
};
