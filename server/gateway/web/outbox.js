/** What was typed and has not been answered yet, so that a lost line loses none of it. Pure. */

export class Outbox {
  constructor() {
    this.notes = [];
  }

  /** @returns {{id: string, text: string}} to be sent as the item `id` */
  add(text) {
    const note = { id: `typed_${Math.random().toString(36).slice(2)}`, text, state: "waiting" };
    this.notes.push(note);
    return note;
  }

  /** Those that the server has not confirmed. */
  get waiting() {
    return this.notes.filter(({ state }) => state === "waiting");
  }

  /** The server has this item. */
  taken(id) {
    const note = this.notes.find((one) => one.id === id);
    if (note) note.state = "taken";
  }

  /** A reply was begun: to all that the server has. */
  replyBegins() {
    for (const note of this.notes) if (note.state === "taken") note.state = "answering";
  }

  /** The reply has shown something, or is over. */
  answered() {
    this.notes = this.notes.filter(({ state }) => state !== "answering");
  }

  /**
   * The line is lost. What the server never confirmed waits for the next one. The rest may have done something already,
   * so whether it is said again is the person's choice.
   *
   * @returns {string[]} the texts to give back
   */
  lost() {
    const back = this.notes.filter(({ state }) => state !== "waiting");
    this.notes = this.waiting;
    return back.map(({ text }) => text);
  }

  /** There will be no next line. @returns {string[]} the texts that were never sent for certain */
  close() {
    const back = this.waiting.map(({ text }) => text);
    this.notes = [];
    return back;
  }
}
