/** What becomes of Realtime's session object when parts of it are changed, as the server has it. Pure. */

/**
 * Only what is there changes anything. What gets another `type` starts afresh: keys of one kind mean nothing to another.
 *
 * @param {object} before @param {object} part @returns {object} a new one
 */
export function updated(before, part) {
  const isOther = part.type !== undefined && part.type !== before.type;
  const after = isOther ? {} : { ...before };
  for (const [key, value] of Object.entries(part)) {
    after[key] = isObject(value) ? updated(isObject(after[key]) ? after[key] : {}, value) : value;
  }
  return after;
}

/** The event that asks the server for it. */
export function sessionUpdate(session) {
  return { type: "session.update", session: { type: "realtime", ...session } };
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
