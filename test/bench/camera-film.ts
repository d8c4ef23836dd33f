import { createRandom } from '../helpers/jpeg-builder.ts';

/** Range of the camera's pan, in pixels. It moves there and back once per film. */
const PAN = { x: 160, y: 90 } as const;

/** Standard deviation of the sensor's noise. */
const NOISE = 2.5;

/**
 * A reproducible film like a camera's: a scene with details of all sizes and hard edges, a slow pan, two moving
 * objects, and noise that differs in each picture and sample. It can be repeated without a jump.
 */
export class CameraFilm {
  readonly width: number;
  readonly height: number;
  readonly length: number;
  readonly #scene: Uint8Array;
  readonly #sceneWidth: number;
  readonly #noise: Int8Array;
  readonly #random = createRandom(11);

  constructor(width: number, height: number, length: number) {
    this.width = width;
    this.height = height;
    this.length = length;
    this.#sceneWidth = width + PAN.x;
    this.#scene = drawScene(this.#sceneWidth, height + PAN.y);
    // The noise is longer than a row, so that each row begins at a different position of the noise.
    this.#noise = Int8Array.from({ length: 1 << 16 }, () =>
      Math.round((this.#random() + this.#random() + this.#random() + this.#random() - 2) * Math.sqrt(3) * NOISE),
    );
  }

  /** BGR samples of a picture, in separate memory. */
  draw(number: number): Uint8Array {
    const { width, height } = this;
    const turn = (2 * Math.PI * number) / this.length;
    const left = Math.round((PAN.x / 2) * (1 + Math.sin(turn)));
    const top = Math.round((PAN.y / 2) * (1 + Math.cos(turn)));
    const samples = new Uint8ClampedArray(width * height * 3);
    const rowBytes = width * 3;
    for (let y = 0; y < height; y += 1) {
      const from = ((top + y) * this.#sceneWidth + left) * 3;
      const noiseFrom = Math.floor(this.#random() * (this.#noise.length - rowBytes));
      for (let at = 0; at < rowBytes; at += 1)
        samples[y * rowBytes + at] = (this.#scene[from + at] ?? 0) + (this.#noise[noiseFrom + at] ?? 0);
    }
    for (const [index, radius] of [height / 6, height / 11].entries()) {
      const angle = turn * (index + 2) + index;
      this.#drawBall(
        samples,
        width * (0.5 + 0.4 * Math.cos(angle)),
        height * (0.5 + 0.35 * Math.sin(2 * angle)),
        radius,
        index,
      );
    }
    return new Uint8Array(samples.buffer);
  }

  /** A shaded ball with stripes. */
  #drawBall(samples: Uint8ClampedArray, centreX: number, centreY: number, radius: number, index: number): void {
    for (let y = Math.max(0, Math.ceil(centreY - radius)); y < Math.min(this.height, centreY + radius); y += 1) {
      for (let x = Math.max(0, Math.ceil(centreX - radius)); x < Math.min(this.width, centreX + radius); x += 1) {
        const [dx, dy] = [(x - centreX) / radius, (y - centreY) / radius];
        const distance = dx * dx + dy * dy;
        if (distance > 1) continue;
        const light = 60 + 170 * Math.sqrt(1 - distance) - (Math.floor((dx + dy) * 5) % 2 === 0 ? 40 : 0);
        const noise = this.#noise[(y * 331 + x) & 0xffff] ?? 0;
        for (let channel = 0; channel < 3; channel += 1)
          samples[(y * this.width + x) * 3 + channel] = light * (channel === index ? 1 : 0.6) + noise;
      }
    }
  }
}

/** Smooth noise of four sizes, a slope of light, and rectangles with straight edges. */
function drawScene(width: number, height: number): Uint8Array {
  const random = createRandom(5);
  const light = new Float32Array(width * height);
  for (const [size, contrast] of [
    [240, 60],
    [60, 26],
    [15, 12],
    [4, 7],
  ] as const)
    addNoise(light, width, height, size, contrast, random);
  const scene = new Uint8ClampedArray(width * height * 3);
  for (let at = 0; at < light.length; at += 1) {
    const value = 70 + 60 * (at / light.length) + (light[at] ?? 0);
    scene[at * 3] = value * 1.1;
    scene[at * 3 + 1] = value;
    scene[at * 3 + 2] = value * 0.85;
  }
  for (let count = 0; count < 40; count += 1) {
    const [x, y] = [Math.floor(random() * width), Math.floor(random() * height)];
    const [right, bottom] = [Math.min(width, x + 20 + random() * 160), Math.min(height, y + 20 + random() * 90)];
    const colour = [random() * 120, random() * 120, random() * 120];
    for (let row = y; row < bottom; row += 1) {
      for (let column = x; column < right; column += 1) {
        for (let channel = 0; channel < 3; channel += 1) {
          const at = (row * width + column) * 3 + channel;
          scene[at] = (scene[at] ?? 0) * 0.45 + (colour[channel] ?? 0);
        }
      }
    }
  }
  return new Uint8Array(scene.buffer);
}

/** Adds random values at the corners of squares, interpolated between them. */
function addNoise(
  light: Float32Array,
  width: number,
  height: number,
  size: number,
  contrast: number,
  random: () => number,
): void {
  const columns = Math.ceil(width / size) + 2;
  const corners = Float32Array.from(
    { length: columns * (Math.ceil(height / size) + 2) },
    () => (random() - 0.5) * 2 * contrast,
  );
  for (let y = 0; y < height; y += 1) {
    const row = Math.floor(y / size);
    const downwards = y / size - row;
    for (let x = 0; x < width; x += 1) {
      const column = Math.floor(x / size);
      const rightwards = x / size - column;
      const corner = row * columns + column;
      const above = (corners[corner] ?? 0) * (1 - rightwards) + (corners[corner + 1] ?? 0) * rightwards;
      const below =
        (corners[corner + columns] ?? 0) * (1 - rightwards) + (corners[corner + columns + 1] ?? 0) * rightwards;
      const at = y * width + x;
      light[at] = (light[at] ?? 0) + above * (1 - downwards) + below * downwards;
    }
  }
}
