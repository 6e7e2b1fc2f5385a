/** The three buttons that are always there: microphone, keyboard, End; and the field to type into. */

import { microphoneKey } from "./hints.js";

const find = (id) => document.getElementById(id);
const NARROW = matchMedia("(max-width: 40rem), (max-height: 30rem)"); // where the field would take the room of the words

/** Show what each button does now. @param {{state: string, microphone: string, isLive: boolean}} now */
export function showDock({ state, microphone, isLive }) {
  const { action, label } = microphoneKey({ state, microphone });
  find("mic").dataset.action = action;
  find("mic").dataset.microphone = isLive || microphone === "impossible" ? microphone : "off";
  find("mic-label").textContent = label;
  find("end").disabled = !isLive;
}

/** Show or hide the field to type into. */
export function showKeyboard(isShown, { focus = false } = {}) {
  find("compose").hidden = !isShown;
  find("keyboard").setAttribute("aria-expanded", isShown);
  if (isShown && focus) find("text").focus();
}

/** A conversation by voice has begun: on a small screen its words get the room. */
export function makeRoom() {
  if (NARROW.matches && document.activeElement !== find("text")) showKeyboard(false);
}

find("keyboard").addEventListener("click", () => showKeyboard(find("compose").hidden, { focus: true }));
