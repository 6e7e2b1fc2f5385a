/** Tools that want to be allowed, as cards in the conversation; and the next answer, when what they did is known. */

/**
 * @param {import("./voice-client.js").VoiceClient} client
 * @param {(card: HTMLElement) => void} show puts a card into the conversation
 */
export function askForApproval(client, show) {
  const waiting = new Set(); // calls whose result the model is to hear of
  client.connection.addEventListener("event", ({ detail: event }) => {
    if (event.type === "response.output_item.done" && event.item.type === "mcp_approval_request") {
      show(card(event.item, (approve) => answer(client, event.item.id, approve)));
    }
    if (event.type === "response.output_item.done" && event.item.type === "mcp_call") waiting.add(event.item.id);
    if (event.type === "response.mcp_call.completed" || event.type === "response.mcp_call.failed") {
      waiting.delete(event.item_id);
      if (waiting.size === 0) client.connection.send({ type: "response.create" });
    }
  });
}

function answer(client, id, approve) {
  const item = { type: "mcp_approval_response", approval_request_id: id, approve };
  client.connection.send({ type: "conversation.item.create", item });
}

function card({ name, server_label, arguments: args }, decide) {
  const line = document.createElement("li");
  line.className = "approval";
  const title = document.createElement("p");
  title.textContent = `May the agent use “${name}” of ${server_label}?`;
  const call = document.createElement("code");
  call.textContent = args;
  const buttons = [["Allow", true], ["Decline", false]].map(([text, approve]) => {
    const button = document.createElement("button");
    button.className = "pill";
    button.textContent = text;
    button.addEventListener("click", () => {
      decide(approve);
      row.replaceChildren(approve ? "Allowed." : "Declined.");
      row.focus(); // or it would be lost with the button
    });
    return button;
  });
  const row = document.createElement("div");
  row.setAttribute("role", "status");
  row.tabIndex = -1;
  row.append(...buttons);
  line.append(title, call, row);
  return line;
}
