/** The circle: the state of the conversation, and a meter of whoever speaks. It moves only while there is something to show. */

const STILL = 0.004; // below this nobody sees a difference
const SPEAKING = new Set(["speaking", "yielding", "starved"]);
const LABELS = {
  start: "Start talking",
  microphone: "Turn the microphone on",
  interrupt: "Interrupt the agent",
  none: "Nothing to press while you speak",
};

/** Loudness from 0 to 1 as it looks: 50 decibels, from a quiet room to a loud voice. */
export function visible(level) {
  return level > 0 ? Math.max(0, Math.min(1, 1 + (20 * Math.log10(level) + 8) / 42)) : 0;
}

export class Orb {
  /** @param {HTMLElement} orb @param {HTMLElement} label @param {HTMLElement} key shows the microphone's level too */
  constructor(orb, label, key) {
    this.orb = orb;
    this.label = label;
    this.key = key;
    this.levels = { input: 0, output: 0, shown: 0 };
    this.isMoving = false;
  }

  show({ state, action, microphone }) {
    const { dataset } = this.orb;
    Object.assign(dataset, { state, action, microphone, muted: microphone !== "on" });
    this.orb.setAttribute("aria-disabled", action === "none");
    this.label.textContent = LABELS[action];
  }

  hear({ input = 0, output = 0 }) {
    this.levels.input = Math.max(this.levels.input, input);
    this.levels.output = Math.max(this.levels.output, output);
    if (this.isMoving || visible(Math.max(input, output)) === 0) return;
    this.isMoving = true;
    requestAnimationFrame(() => this.frame());
  }

  /** The agent was cut short. */
  cut() {
    this.orb.classList.remove("cut");
    void this.orb.offsetWidth; // starts the animation again
    this.orb.classList.add("cut");
  }

  frame() {
    const { levels } = this;
    const target = visible(SPEAKING.has(this.orb.dataset.state) ? levels.output : levels.input);
    const input = visible(levels.input);
    levels.shown += (target - levels.shown) * (target > levels.shown ? 0.5 : 0.12);
    this.isMoving = Math.max(levels.shown, target, input) > STILL;
    this.orb.style.setProperty("--level", this.isMoving ? levels.shown.toFixed(3) : 0);
    this.key.style.setProperty("--level", this.isMoving ? input.toFixed(2) : 0);
    levels.input *= 0.8;
    levels.output *= 0.8;
    if (this.isMoving) requestAnimationFrame(() => this.frame());
  }
}
