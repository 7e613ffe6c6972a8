// Playback of the assistant's answers: plays them, reports what was heard, and stops at once.

const REPORT_MS = 250;

/** Plays the answers of one call and keeps track of what was heard. */
export class Playback {
  onstarted = null; // () playback has started
  onstopped = null; // () everything queued was played
  onlevel = null; // (level)
  onheard = null; // (id, fraction of the received audio; 1 when the item was played to its end)
  send = null; // (event) sends it to the server
  #player;
  #contentIndex = new Map(); // item id -> content index
  #receivedMs = new Map(); // item id -> milliseconds received
  #open = new Set(); // items with audio that has not been played yet
  #cut = new Set(); // items that were cut: audio that arrives late is ignored
  #heard = new Set();
  #reportedAt = -Infinity;
  #speaking = false;
  #cutting = Promise.resolve([]); // the result of the last cut

  /** @param {object} player a Player */
  constructor(player) {
    this.#player = player;
    player.onposition = (position) => this.#onPosition(position);
    player.onfinished = (position) => this.#onFinished(position);
  }

  get speaking() {
    return this.#speaking;
  }

  /** Whether audio is playing or queued. */
  get pending() {
    return this.#open.size > 0;
  }

  /** How many items were heard, at least in part. */
  get itemsHeard() {
    return this.#heard.size;
  }

  /** Process `nextvoice.audio`: the item that the following audio belongs to. */
  begin({ item_id: id, content_index: index }) {
    this.#contentIndex.set(id, index ?? 0);
  }

  /**
   * Ignore all audio of an unwanted item and truncate it to nothing. Returns false if it was
   * already playing, cut or refused.
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

  /** Mark an item's audio as complete. */
  end(id) {
    if (this.#open.has(id)) this.#player.end(id);
  }

  /** The response is done: mark the audio of all items as complete. */
  endAll() {
    for (const id of this.#open) this.#player.end(id);
  }

  /** Pause playback, or resume it from the same place. */
  pause(on) {
    this.#player.pause(on);
  }

  /**
   * Stop at once and truncate the items on the server. Resolves with [{id, fraction}] of the items
   * that were cut: `fraction` is how much of the received audio was heard.
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
    // At most what was received: the provider refuses a truncation beyond that.
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
