// A message that is typed into a call: as it is sent, and as the page shows it at once.

const EVENT = "message_"; // event ids of messages, so that one that was refused can be taken back

/**
 * @param {string} text  @param {object[]} attachments uploaded, as the server showed them
 * @returns {{item: object, shown: object}} the item, and the same with its attachments described
 */
export function newMessage(text, attachments) {
  const written = text ? [{ type: "input_text", text }] : [];
  const files = attachments.map(({ id }) => ({ type: "nextvoice.attachment", attachment_id: id }));
  const item = { id: newItemId(), type: "message", role: "user", content: [...written, ...files] };
  const described = files.map((part, at) => ({ ...attachments[at], ...part }));
  return { item, shown: { ...item, content: [...written, ...described] } };
}

/** The event that puts the item into the conversation. */
export function creation(item) {
  return { type: "conversation.item.create", event_id: `${EVENT}${item.id}`, item };
}

/** Id of the item whose creation had this event id; null when it created none. */
export function itemOf(eventId) {
  return eventId?.startsWith(EVENT) ? eventId.slice(EVENT.length) : null;
}

function newItemId() {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `item_${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
