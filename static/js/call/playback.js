// The assistant's turn as it is heard: plays, reports what was heard, and falls silent at once.

const REPORT_MS = 250;

/** Plays the answers of one call and keeps the account of what was heard. */
export class Playback {
  onstarted = null; // () the first sound of an answer
  onstopped = null; // () everything queued was heard
  onlevel = null; // (level)
  onheard = null; // (id, fraction of the received sound; 1 when the item was heard to its end)
  send = null; // (event) to the server
  #player;
  #contentIndex = new Map(); // item id -> content index
  #receivedMs = new Map(); // item id -> milliseconds received
  #open = new Set(); // items with sound that was not heard yet
  #cut = new Set(); // items whose late audio must stay unheard
  #heard = new Set();
  #reportedAt = -Infinity;
  #speaking = false;
  #cutting = Promise.resolve([]); // the cut that was made last

  /** @param {object} player a Player */
  constructor(player) {
    this.#player = player;
    player.onposition = (position) => this.#onPosition(position);
    player.onfinished = (position) => this.#onFinished(position);
  }

  get speaking() {
    return this.#speaking;
  }

  /** Whether sound is playing or waiting to. */
  get pending() {
    return this.#open.size > 0;
  }

  /** How many items were heard, in part at least. */
  get itemsHeard() {
    return this.#heard.size;
  }

  /** Take in `nextvoice.audio`: whose audio follows. */
  begin({ item_id: id, content_index: index }) {
    this.#contentIndex.set(id, index ?? 0);
  }

  /**
   * Take in nothing of an item that nobody wants to hear, and tell the server so. Returns whether it
   * is refused only now.
   */
  refuse(id) {
    if (this.#open.has(id) || this.#cut.has(id)) return false;
    this.#cut.add(id);
    this.#truncate(id, 0);
    return true;
  }

  /** Queue PCM of an item. */
  play(id, pcm) {
    if (this.#cut.has(id)) return;
    this.#open.add(id);
    this.#receivedMs.set(id, (this.#receivedMs.get(id) ?? 0) + pcm.byteLength / 48);
    this.#player.play(id, pcm);
  }

  /** Say that the item is complete. */
  end(id) {
    if (this.#open.has(id)) this.#player.end(id);
  }

  /** Say that the response is over: nothing more comes for any item. */
  endAll() {
    for (const id of this.#open) this.#player.end(id);
  }

  /** Pause the voice where it is, or let it go on from there. */
  pause(on) {
    this.#player.pause(on);
  }

  /**
   * Fall silent now and tell the server where. Resolves with [{id, fraction}] of what was cut:
   * `fraction` is how much of the received sound was heard.
   */
  cut() {
    if (this.#open.size > 0) this.#cutting = this.#cutOpen();
    return this.#cutting;
  }

  async #cutOpen() {
    const open = [...this.#open];
    for (const id of open) this.#cut.add(id);
    this.#open.clear();
    this.#speaking = false;
    const played = new Map((await this.#player.flush()).map((one) => [one.id, one.playedMs]));
    return open.map((id) => this.#truncate(id, played.get(id) ?? 0));
  }

  #truncate(id, playedMs) {
    const received = this.#receivedMs.get(id) ?? 0;
    // Never beyond what was received: the provider refuses such a truncation.
    const heardMs = Math.floor(Math.min(playedMs, received));
    const where = { item_id: id, content_index: this.#contentIndex.get(id) ?? 0, audio_end_ms: heardMs };
    this.send?.({ type: "nextvoice.played", ...where });
    this.send?.({ type: "conversation.item.truncate", ...where });
    return { id, fraction: received === 0 ? 0 : heardMs / received };
  }

  #onPosition({ id, playedMs, level }) {
    if (!this.#open.has(id)) return;
    if (!this.#speaking) {
      this.#speaking = true;
      this.onstarted?.();
    }
    this.#heard.add(id);
    this.onlevel?.(level);
    this.onheard?.(id, Math.min(0.999, playedMs / (this.#receivedMs.get(id) || 1)));
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    this.#report(id, playedMs);
  }

  #onFinished({ id, playedMs }) {
    if (!this.#open.delete(id)) return;
    this.#heard.add(id);
    this.onheard?.(id, 1);
    this.#report(id, playedMs);
    if (this.#open.size > 0) return;
    this.#speaking = false;
    this.onlevel?.(0);
    this.onstopped?.();
  }

  #report(id, playedMs) {
    this.send?.({
      type: "nextvoice.played",
      item_id: id,
      content_index: this.#contentIndex.get(id) ?? 0,
      audio_end_ms: Math.floor(playedMs),
    });
  }
}
