/**
 * What has been heard of the answers, by the speaker's reports: it is shown, told to the server, and stays when an
 * answer is cut short. Pure.
 */

const REPORT_MS = 150;

export class Playout {
  /**
   * @param {import("./answers.js").Answers} answers
   * @param {(type: string, detail: object) => void} tell passes on the events `caption` and `interrupted`
   * @param {(event: object) => void} send sends an event to the server
   */
  constructor(answers, tell, send) {
    this.answers = answers;
    this.tell = tell;
    this.send = send;
    this.report = null; // the last one of the speaker
    this.cutting = null; // the answer that was cut short, until it is known how much of it was heard
    this.toldAtMs = 0;
  }

  /** Whether the agent can be heard, or is held and about to go on. */
  get isAudible() {
    const { report } = this;
    if (!report || report.item < 0 || report.mode === "flush") return false;
    return report.buffered > 0 || report.heard.played < report.played;
  }

  /** Whether it has run dry in the middle of an answer: what is to be heard next is on its way. */
  get isStarved() {
    const { report } = this;
    if (!report || report.mode !== "play") return false;
    const answer = this.answers.numbered(report.item);
    if (!answer || answer !== this.answers.last || answer.words.state !== "open") return false;
    return report.played > 0 && answer.words.total === null;
  }

  /** Whether what can be heard is neither lowered nor held. */
  get isUndisturbed() {
    return this.report.mode === "play";
  }

  /** The speaker has played on. */
  follow(report, nowMs) {
    const wasAudible = this.isAudible;
    this.report = report;
    const answer = this.answers.numbered(report.heard.item);
    if (answer && report.heard.played > answer.played) this.reveal(answer, report.heard.played);
    if (report.mode === "flush") return;
    if (this.cutting && (!this.isAudible || report.heard.item > this.cutting.number)) {
      this.tellServer(this.cutting, nowMs); // what it shall remember is what stays on the page
      this.settle();
    } else if (answer && (this.isAudible ? nowMs - this.toldAtMs >= REPORT_MS : wasAudible)) {
      this.tellServer(answer, nowMs);
    }
  }

  /** Somebody has cut the answer short: nobody will hear the rest of it. */
  cut(answer) {
    this.settle();
    this.cutting = answer;
    answer.words.cut();
    this.tell("caption", answer.caption);
    this.tell("interrupted", {});
  }

  /** The server is gone: nobody will hear the rest of what it was saying, if it was. */
  abandon(answer) {
    this.settle();
    if (answer?.words.state !== "open") return;
    answer.words.cut();
    this.cutting = answer;
    this.settle();
  }

  /** Nothing more will be known of the answer that was cut short. */
  settle() {
    const answer = this.cutting;
    if (!answer) return;
    this.cutting = null;
    answer.words.settle();
    this.tell("caption", answer.caption);
  }

  /** Show more of the answer's words, if more have been heard. */
  reveal(answer, played) {
    const before = answer.caption;
    answer.played = played;
    answer.words.move(played);
    const { text, status } = answer.caption;
    if (text !== before.text || status !== before.status) this.tell("caption", answer.caption);
  }

  /** The line is back: the server shall know what was heard meanwhile. */
  catchUp(nowMs) {
    const answer = this.report && this.answers.numbered(this.report.heard.item);
    if (answer) this.tellServer(answer, nowMs);
  }

  tellServer(answer, nowMs) {
    this.toldAtMs = nowMs;
    const { underruns } = this.report;
    const played_samples = Math.floor(answer.played / answer.scale);
    this.send({ type: "x_playback", item_id: answer.id, played_samples, underruns });
  }
}
