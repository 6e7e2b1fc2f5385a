/** The card that says what went wrong, with the button that does something about it. */

import { MESSAGES } from "./messages.js";

const SHOWN_MS = 6000; // what nothing can be done about goes away

const find = (id) => document.getElementById(id);
let timer = 0;

export function showProblem(code, detail, isFatal) {
  const { title, text, action } = MESSAGES[code] ?? MESSAGES.server_error;
  clearTimeout(timer);
  const notice = find("notice");
  notice.dataset.code = code;
  notice.dataset.fatal = isFatal;
  find("notice-title").textContent = title;
  find("notice-text").textContent = text || detail;
  find("key-form").hidden = action !== "key";
  find("notice-action").hidden = !action || action === "key";
  find("notice-action").textContent = action === "sound" ? "Hear again" : "Try again";
  find("notice-action").dataset.action = action ?? "";
  notice.hidden = false;
  if (action === "key") find("key").focus();
  if (!action && !isFatal) timer = setTimeout(hideNotice, SHOWN_MS);
}

export function hideNotice() {
  find("notice").hidden = true;
}

/** What it was about is well again. @param {string} action of the problems that are over */
export function solved(action) {
  if (MESSAGES[find("notice").dataset.code]?.action === action) hideNotice();
}

export function isFatalShown() {
  return !find("notice").hidden && find("notice").dataset.fatal === "true";
}
