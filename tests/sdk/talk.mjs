// What the drivers of the official clients share: patience, and a report on the last line.

export const { BASE_URL, KEY, MODEL } = process.env;
export const TOOL = {
  type: "function",
  name: "get_weather",
  description: "The weather of a place",
  parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};

/** Collects events by type and lets one wait for them. */
export class Heard {
  events = [];
  #waiting = [];

  add(event) {
    this.events.push(event);
    this.#waiting = this.#waiting.filter((look) => !look());
  }

  of(type) {
    return this.events.filter((event) => event.type === type);
  }

  /** The event of this type and number, once it is there. */
  event(type, number = 0) {
    return this.until(() => this.of(type)[number], type);
  }

  until(found, what) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const one = found();
        if (one) {
          clearTimeout(timer);
          resolve(one);
        }
        return Boolean(one);
      };
      const types = () => this.events.map((event) => event.type).join(" ");
      const timer = setTimeout(() => reject(new Error(`no ${what}; these came: ${types()}`)), 20_000);
      if (!look()) this.#waiting.push(look);
    });
  }
}

export function bytesOf(deltas) {
  return deltas.reduce((sum, event) => sum + Buffer.from(event.delta, "base64").length, 0);
}

export function userMessage(text) {
  const content = [{ type: "input_text", text }];
  return { type: "conversation.item.create", item: { type: "message", role: "user", content } };
}

/** Run a driver: its result is the process's last line of output. */
export async function run(driver) {
  try {
    console.log(`\n${JSON.stringify(await driver())}`);
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
