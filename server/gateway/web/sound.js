/** Both ends of the sound, loudspeaker and microphone, and how they come back when the device has taken them away. */

import { Microphone } from "./microphone.js";
import { Speaker } from "./speaker.js";

const HELD_MS = 700; // what resumes by itself is not worth a word

/**
 * Events: those of `Speaker` and `Microphone`, `report` and `frame`; `microphone` with `{isOn, isMuted, isHeld, deviceId}`;
 * `held` with `{isHeld}`: nothing can be heard until the person touches the page, or it can again; `problem` with
 * `{code, message}`.
 */
export class Sound extends EventTarget {
  constructor() {
    super();
    this.speaker = null;
    this.microphone = null;
    this.asking = null; // the newest question for a microphone
    this.isMissing = false; // the microphone went away by itself
    this.life = new AbortController();
    this.timer = 0;
  }

  get isClosed() {
    return this.life.signal.aborted;
  }

  /** Must be called from a click or a key press. @param {string} [speakerId] */
  async open(speakerId) {
    const speaker = await Speaker.open();
    if (this.isClosed) return speaker.close();
    this.speaker = speaker;
    speaker.addEventListener("report", ({ detail }) => this.tell("report", detail));
    const { signal } = this.life;
    speaker.context.addEventListener("statechange", () => this.watch(), { signal });
    for (const touch of ["pointerdown", "pointerup", "keydown"]) {
      document.addEventListener(touch, () => this.resume(), { signal });
    }
    document.addEventListener("visibilitychange", () => document.hidden || this.revive(), { signal });
    navigator.mediaDevices?.addEventListener("devicechange", () => this.revive(), { signal });
    this.watch();
    if (speakerId) await this.chooseSpeaker(speakerId);
  }

  /** Ask for the microphone, or for another one; when there is none, a `problem` says why. */
  async startMicrophone(deviceId) {
    const mine = (this.asking = {});
    const wasMuted = this.microphone?.isMuted ?? false;
    this.stopMicrophone();
    try {
      const microphone = await Microphone.open(this.speaker.context, deviceId);
      if (this.isClosed || this.asking !== mine) return microphone.close();
      this.microphone = microphone;
      microphone.addEventListener("frame", ({ detail }) => this.tell("frame", detail));
      microphone.addEventListener("ended", () => this.lostMicrophone());
      microphone.addEventListener("held", () => this.tellMicrophone());
      microphone.mute(wasMuted);
    } catch (error) {
      if (this.isClosed || this.asking !== mine) return;
      this.tell("problem", { code: error.code ?? "microphone_failed", message: error.message });
    }
    this.tellMicrophone();
  }

  mute(isMuted) {
    this.microphone?.mute(isMuted);
    this.tellMicrophone();
  }

  /** When the loudspeaker is gone, a `problem` says so and the voice stays where it is. */
  async chooseSpeaker(deviceId) {
    try {
      await this.speaker.choose(deviceId);
    } catch (error) {
      this.tell("problem", { code: "no_speaker", message: error.message });
    }
  }

  close() {
    clearTimeout(this.timer);
    this.life.abort();
    this.stopMicrophone();
    this.tellMicrophone();
    this.speaker?.close();
  }

  stopMicrophone() {
    this.isMissing = false;
    this.microphone?.close();
    this.microphone = null;
  }

  lostMicrophone() {
    this.stopMicrophone();
    this.isMissing = true;
    this.tell("problem", { code: "microphone_lost", message: "" });
    this.tellMicrophone();
  }

  // --- what the device takes away: for a call, for another app, while the screen is locked ------------------------

  /** The loudspeaker was taken away, or is back. */
  watch() {
    clearTimeout(this.timer);
    const tell = () => this.tell("held", { isHeld: this.isHeld });
    if (!this.isHeld) return tell();
    this.resume();
    this.timer = setTimeout(tell, HELD_MS);
  }

  get isHeld() {
    return this.speaker.context.state !== "running" && !this.isClosed;
  }

  /** Browsers may want a touch for it. */
  resume() {
    for (const context of [this.speaker?.context, this.microphone?.ownContext]) {
      if (context && context.state !== "running") context.resume().catch(() => {});
    }
  }

  /** The page is looked at again, or another device is there: take back what was lost. */
  revive() {
    this.resume();
    if (this.isMissing) this.startMicrophone();
  }

  tellMicrophone() {
    const { microphone } = this;
    this.tell("microphone", {
      isOn: microphone !== null,
      isMuted: microphone?.isMuted ?? false,
      isHeld: microphone?.isHeld ?? false,
      deviceId: microphone?.deviceId,
    });
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
