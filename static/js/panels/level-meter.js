// The level meter: two vibrating strings, one for the person and one for the assistant. Each state
// of a call has its own animation, so that the strings alone show what the call is doing.

const STILL = { amplitude: 0, level: 0, waves: 1.5, speed: 0, alpha: 0.5, broken: 0, dash: 0, beat: 0, fill: 0 };

// The look of both strings in each state. `level` is how much the audio level moves a string,
// `beat` a slow pulse, `broken` a gap in the middle, `dash` a dotted line.
const LOOKS = {
  idle: {
    user: { amplitude: 0.5, waves: 1.5, speed: 0.22, alpha: 0.8 },
    assistant: { amplitude: 0.8, waves: 2, speed: -0.17, alpha: 1 },
  },
  checking: {
    user: { amplitude: 0.06, waves: 2, speed: 0.8, alpha: 1, dash: 1 },
    assistant: { alpha: 0.25 },
  },
  connecting: {
    user: { amplitude: 0.1, waves: 1, speed: 0.9, alpha: 0.5 },
    assistant: { amplitude: 0.1, waves: 1, speed: -0.9, alpha: 0.9, dash: 1 },
  },
  listening: {
    user: { amplitude: 0.1, level: 1.4, waves: 2, speed: 0.4, alpha: 0.95, beat: 0.7 },
    assistant: { amplitude: 0.05, waves: 1.5, speed: 0.3, alpha: 0.5, beat: 0.7 },
  },
  hearing: {
    user: { amplitude: 0.1, level: 2.6, waves: 4.5, speed: 1.6, alpha: 1, fill: 0.1 },
    assistant: { amplitude: 0.01, waves: 1.5, speed: 0.2, alpha: 0.3 },
  },
  thinking: {
    user: { alpha: 0.25 },
    assistant: { amplitude: 0.3, waves: 3, speed: 0, alpha: 1, beat: 1 },
  },
  speaking: {
    user: { amplitude: 0.01, level: 0.5, waves: 2, speed: 0.4, alpha: 0.35 },
    assistant: { amplitude: 0.14, level: 3.2, waves: 3, speed: -1.5, alpha: 1, fill: 0.16 },
  },
  muted: {
    user: { alpha: 0.6, dash: 1, broken: 0.12 },
    assistant: { amplitude: 0.02, waves: 1.5, speed: 0.3, alpha: 0.4 },
  },
  paused: {
    user: { alpha: 0.45, broken: 0.5 },
    assistant: { amplitude: 0.12, waves: 3, alpha: 0.6, dash: 1 },
  },
  reconnecting: {
    user: { amplitude: 0.04, waves: 2, speed: 0.7, alpha: 0.6, broken: 0.34 },
    assistant: { amplitude: 0.04, waves: 2, speed: -0.7, alpha: 0.8, broken: 0.34 },
  },
  ended: { user: { alpha: 0.3 }, assistant: { alpha: 0.3 } },
};

const SETTLE = 0.11; // speed of the transition between looks, per frame
const OVERTONES = 3;
const POINTS = 160; // along a string
// In these states a string comes to rest like one that was plucked, so that an idle page uses no
// CPU.
const RESTING = ["idle", "ended"];
const DYING_SECONDS = 3;
const AT_REST = 0.02;
const STILL_MS = 100; // frame interval with prefers-reduced-motion

export class LevelMeter {
  #canvas;
  #levels;
  #looks = { user: { ...STILL }, assistant: { ...STILL } };
  #loudness = { user: 0, assistant: 0 };
  #phases = { user: 0, assistant: 0 };
  #time = 0;
  #swing = 1; // remaining motion, 1 to 0
  #colors = null;
  #frame = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #observer;

  /**
   * @param {HTMLCanvasElement} canvas its `data-state` is the state to show
   * @param {() => {user: number, assistant: number}} levels RMS, 0 to 1
   */
  constructor(canvas, levels) {
    this.#canvas = canvas;
    this.#levels = levels;
    this.#observer = new ResizeObserver(() => this.#wake());
    this.#observer.observe(canvas);
    new MutationObserver(() => this.#pluck()).observe(canvas, { attributeFilter: ["data-state"] });
    const repaint = () => {
      this.#colors = null;
      this.#wake();
    };
    document.addEventListener("nextvoice:theme", repaint);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    this.#settle(1);
    this.#wake();
  }

  #pluck() {
    this.#swing = 1;
    this.#wake();
  }

  #wake() {
    if (this.#frame === null) this.#frame = requestAnimationFrame((now) => this.#tick(now, now));
  }

  #next(before) {
    const draw = () => (this.#frame = requestAnimationFrame((now) => this.#tick(now, before)));
    if (this.#still.matches) this.#frame = setTimeout(draw, STILL_MS);
    else draw();
  }

  #tick(now, before) {
    this.#frame = null;
    // A hidden canvas has no size; the ResizeObserver restarts the animation.
    if (!this.#canvas.isConnected || this.#canvas.clientWidth === 0) return;
    const seconds = Math.min(0.05, (now - before) / 1000);
    const still = this.#still.matches;
    if (RESTING.includes(this.#canvas.dataset.state)) {
      this.#swing *= still ? 0 : Math.exp(-seconds / DYING_SECONDS);
    }
    this.#time += seconds;
    this.#settle(still ? 1 : SETTLE);
    this.#listen();
    if (!still) {
      for (const side of ["user", "assistant"]) {
        this.#phases[side] += seconds * this.#swing * this.#looks[side].speed * Math.PI * 2;
      }
    }
    this.#draw();
    if (this.#swing > AT_REST) this.#next(now);
  }

  #settle(share) {
    const goal = LOOKS[this.#canvas.dataset.state] ?? LOOKS.idle;
    for (const side of ["user", "assistant"]) {
      const look = this.#looks[side];
      for (const name of Object.keys(STILL)) {
        look[name] += ((goal[side][name] ?? STILL[name]) - look[name]) * share;
      }
    }
  }

  #listen() {
    const levels = this.#levels();
    for (const side of ["user", "assistant"]) {
      const goal = Math.min(1, Math.sqrt(levels[side] ?? 0) * 0.9);
      const share = goal > this.#loudness[side] ? 0.35 : 0.1;
      this.#loudness[side] += (goal - this.#loudness[side]) * share;
    }
  }

  #draw() {
    const scale = Math.min(2, devicePixelRatio || 1);
    const width = this.#canvas.clientWidth;
    const height = this.#canvas.clientHeight;
    if (this.#canvas.width !== Math.round(width * scale)) this.#canvas.width = Math.round(width * scale);
    if (this.#canvas.height !== Math.round(height * scale)) this.#canvas.height = Math.round(height * scale);
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.lineCap = "round";
    this.#colors ??= colorsOf(this.#canvas);
    this.#drawString(pen, "user", width, height);
    this.#drawString(pen, "assistant", width, height);
  }

  #drawString(pen, side, width, height) {
    const look = this.#looks[side];
    const weight = height > 60 ? 3 : 2;
    pen.strokeStyle = pen.fillStyle = this.#colors[side];
    pen.setLineDash(look.dash > 0.5 ? [1, 7] : []);
    pen.lineDashOffset = this.#still.matches ? 0 : -this.#time * 40;
    for (let overtone = OVERTONES - 1; overtone >= 0; overtone--) {
      const curve = this.#curve(side, overtone, width, height);
      pen.globalAlpha = look.alpha * [1, 0.34, 0.16][overtone];
      pen.lineWidth = overtone === 0 ? weight : 1.25;
      stroke(pen, curve, look.broken, width);
      if (overtone === 0 && look.fill > 0.01) {
        pen.globalAlpha = look.fill;
        fill(pen, curve, height);
      }
    }
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  }

  #curve(side, overtone, width, height) {
    const look = this.#looks[side];
    const swell = this.#still.matches ? 1 : 1 - look.beat / 2 + (look.beat / 2) * Math.sin(this.#time * 3.4 + overtone * 0.7);
    const loud = Math.min(0.92, look.amplitude * swell + look.level * this.#loudness[side] * 0.42);
    const reach = (height / 2 - 3) * loud * (1 - overtone * 0.32);
    const phase = this.#phases[side] + overtone * 0.8 + (side === "user" ? 0 : 1.1);
    const points = [];
    const step = Math.max(2, width / POINTS);
    for (let x = 0; x <= width + step; x += step) {
      const along = Math.min(1, x / width);
      // The string is fixed at both ends.
      const tied = Math.sin(Math.PI * along);
      const angle = along * look.waves * Math.PI * 2 - phase;
      const wave = Math.sin(angle) + 0.35 * Math.sin(angle * 2.3 + phase * 0.6);
      points.push([Math.min(x, width), height / 2 + (reach * tied * wave) / 1.2]);
    }
    return points;
  }
}

function stroke(pen, points, broken, width) {
  const gap = broken < 0.03 ? 0 : (broken * width) / 2;
  pen.beginPath();
  let down = false;
  for (const [x, y] of points) {
    if (Math.abs(x - width / 2) < gap) down = false;
    else if (down) pen.lineTo(x, y);
    else {
      pen.moveTo(x, y);
      down = true;
    }
  }
  pen.stroke();
}

function fill(pen, points, height) {
  pen.beginPath();
  pen.moveTo(0, height / 2);
  for (const [x, y] of points) pen.lineTo(x, y);
  for (const [x, y] of points.toReversed()) pen.lineTo(x, height - y);
  pen.closePath();
  pen.fill();
}

function colorsOf(canvas) {
  const style = getComputedStyle(canvas);
  return { user: style.color, assistant: style.outlineColor };
}
