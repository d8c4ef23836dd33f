import { ArrayRenderer, type RenderedArray, type SampleMapping } from '../../../shared/arrays/array-renderer.ts';
import { type ArrayStyle, parseArrayStyle } from '../../../shared/arrays/array-style.ts';
import { arrayBytes } from '../../../shared/ndarray.ts';
import { createColorSteps, MAX_STEPS, STEP_WORDS } from './color-steps.ts';

/** Covers the canvas with one triangle. */
const VERTEX_SHADER = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

/**
 * Finds the step of each sample: see {@link createColorSteps}. A texel of `samples` has the bytes of one sample, or of
 * half of a 64-bit sample.
 */
const FRAGMENT_SHADER = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D samples;
uniform usampler2D steps;
uniform int stepCount;
uniform int rows;
uniform int channels;
uniform int redChannel;
uniform int sampleBytes;
uniform bool isBigEndian;
uniform bool isFloat;
uniform bool isSigned;
out vec4 color;

uint wordAt(int column, int row) {
  uvec4 bytes = texelFetch(samples, ivec2(column, row), 0);
  if (sampleBytes == 1) return bytes.r;
  if (sampleBytes == 2) return isBigEndian ? bytes.g | bytes.r << 8 : bytes.r | bytes.g << 8;
  if (isBigEndian) bytes = bytes.abgr;
  return bytes.r | bytes.g << 8 | bytes.b << 16 | bytes.a << 24;
}

uvec2 keyAt(int index, int row) {
  uint upper = 0u;
  uint lower;
  if (sampleBytes == 8) {
    uvec2 words = uvec2(wordAt(2 * index, row), wordAt(2 * index + 1, row));
    upper = isBigEndian ? words.x : words.y;
    lower = isBigEndian ? words.y : words.x;
  } else lower = wordAt(index, row);
  if (!isSigned) return uvec2(upper, lower);
  uint sign = sampleBytes == 8 ? 0x80000000u : 1u << (8 * sampleBytes - 1);
  bool isNegative = ((sampleBytes == 8 ? upper : lower) & sign) != 0u;
  uint inverted = isFloat && isNegative ? sign | (sign - 1u) : sign;
  if (sampleBytes == 8) return uvec2(upper ^ inverted, isFloat && isNegative ? ~lower : lower);
  return uvec2(0u, lower ^ inverted);
}

uint colorAt(int index, int row) {
  uvec2 key = keyAt(index, row);
  int first = 0;
  int end = stepCount;
  while (end - first > 1) {
    int middle = (first + end) / 2;
    uvec2 start = texelFetch(steps, ivec2(middle, 0), 0).rg;
    if (start.r < key.r || (start.r == key.r && start.g <= key.g)) first = middle;
    else end = middle;
  }
  return texelFetch(steps, ivec2(first, 0), 0).b;
}

void main() {
  ivec2 pixel = ivec2(gl_FragCoord.xy);
  int row = rows - 1 - pixel.y;
  int index = pixel.x * channels;
  uint packed = colorAt(channels == 1 ? index : index + redChannel, row);
  if (channels > 1) {
    uint green = colorAt(index + 1, row) & 0xff00u;
    uint blue = colorAt(index + 2 - redChannel, row) & 0xff0000u;
    packed = (packed & 0xff0000ffu) | green | blue;
  }
  vec4 bytes = vec4(packed & 255u, (packed >> 8) & 255u, (packed >> 16) & 255u, packed >> 24);
  color = bytes / 255.0;
  color.rgb *= color.a;
}`;

/**
 * Formats by the number of bytes of a texel: of the texture with the samples, and of the memory from which it is
 * filled.
 */
const FORMATS = { 1: ['R8UI', 'RED_INTEGER'], 2: ['RG8UI', 'RG_INTEGER'], 4: ['RGBA8UI', 'RGBA_INTEGER'] } as const;

const UNIFORMS = [
  'samples',
  'steps',
  'stepCount',
  'rows',
  'channels',
  'redChannel',
  'sampleBytes',
  'isBigEndian',
  'isFloat',
  'isSigned',
] as const;

type Uniforms = Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>;

/** Programs that emulate a GPU, which browsers do not always report as a major performance caveat. */
const EMULATORS = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Arrays that the GPU must colour like the CPU before it is used: type and channels. */
const CHECKED = [
  ['uint8', 3],
  ['>u2', 1],
  ['int32', 1],
  ['float32', 1],
  ['float64', 1],
] as const;

/**
 * Colours arrays with WebGL2. The pixels are the same as those of {@link ArrayRenderer}. All viewers of a thread share
 * one, because each picture is transferred from the canvas before the next one is drawn, and a page can have only 16
 * contexts. The renderer keeps the memory of the last array.
 */
export class GpuRenderer {
  readonly #canvas: OffscreenCanvas;
  readonly #gl: WebGL2RenderingContext;
  /** null while the context is lost. */
  #uniforms: Uniforms | null = null;
  /** Size and format for which the GPU has memory. */
  #allocated = '';
  readonly #steps = new WeakMap<SampleMapping, Uint32Array<ArrayBuffer>>();

  private constructor(canvas: OffscreenCanvas, gl: WebGL2RenderingContext) {
    this.#canvas = canvas;
    this.#gl = gl;
    canvas.addEventListener('webglcontextlost', (event) => {
      // Otherwise the browser does not restore it.
      event.preventDefault();
      this.#uniforms = null;
      this.#allocated = '';
    });
    canvas.addEventListener('webglcontextrestored', () => {
      this.#uniforms = setUp(gl);
    });
    this.#uniforms = setUp(gl);
  }

  /**
   * @returns null without a GPU, because software that emulates one is slower than {@link ArrayRenderer}; also null if
   * the GPU does not compute the same pixels.
   */
  static create(): GpuRenderer | null {
    if (typeof OffscreenCanvas === 'undefined') return null;
    const canvas = new OffscreenCanvas(1, 1);
    const gl = canvas.getContext('webgl2', { antialias: false, depth: false, failIfMajorPerformanceCaveat: true });
    if (gl === null) return null;
    if (!EMULATORS.test(nameOf(gl))) {
      const renderer = new GpuRenderer(canvas, gl);
      if (CHECKED.every(([dtype, channels]) => renderer.#isExact(dtype, channels))) return renderer;
    }
    gl.getExtension('WEBGL_lose_context')?.loseContext();
    return null;
  }

  /**
   * Draws an array.
   *
   * @param mapping mapping of the samples to colours.
   * @param order order of three and four channels.
   * @returns the picture, which the caller closes; null if the GPU cannot draw it, because the context is lost, or
   * because the array is too large for the memory of the GPU.
   */
  render(array: RenderedArray, mapping: SampleMapping, order: ArrayStyle['channelOrder']): ImageBitmap | null {
    return this.#draw(array, mapping, order) ? this.#canvas.transferToImageBitmap() : null;
  }

  #draw({ width, height, payload }: RenderedArray, mapping: SampleMapping, order: ArrayStyle['channelOrder']): boolean {
    const [gl, uniforms] = [this.#gl, this.#uniforms];
    const { type, channels } = mapping;
    const texelBytes = type.bytes === 8 ? 4 : type.bytes;
    const columns = (width * channels * type.bytes) / texelBytes;
    if (uniforms === null || !this.#allocate(width, height, texelBytes, columns)) return false;
    const steps = this.#stepsOf(mapping);
    const stepCount = steps.length / STEP_WORDS;
    gl.activeTexture(gl.TEXTURE0);
    const format = gl[FORMATS[texelBytes][1]];
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, columns, height, format, gl.UNSIGNED_BYTE, payload);
    gl.activeTexture(gl.TEXTURE1);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, stepCount, 1, gl.RGBA_INTEGER, gl.UNSIGNED_INT, steps);
    gl.uniform1i(uniforms.stepCount, stepCount);
    gl.uniform1i(uniforms.rows, height);
    gl.uniform1i(uniforms.channels, channels);
    gl.uniform1i(uniforms.redChannel, order === 'rgb' ? 0 : 2);
    gl.uniform1i(uniforms.sampleBytes, type.bytes);
    gl.uniform1i(uniforms.isBigEndian, Number(type.isBigEndian));
    gl.uniform1i(uniforms.isFloat, Number(type.kind === 'float'));
    gl.uniform1i(uniforms.isSigned, Number(type.kind === 'float' || type.kind === 'int'));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    return !gl.isContextLost();
  }

  /**
   * Allocates memory for a picture and its samples. Checks for errors only here, because the check waits for the GPU.
   */
  #allocate(width: number, height: number, texelBytes: 1 | 2 | 4, columns: number): boolean {
    const key = [width, height, texelBytes, columns].join();
    if (this.#allocated === key) return true;
    this.#allocated = '';
    const gl = this.#gl;
    this.#canvas.width = width;
    this.#canvas.height = height;
    gl.viewport(0, 0, width, height);
    gl.activeTexture(gl.TEXTURE0);
    const [inside, format] = FORMATS[texelBytes];
    gl.texImage2D(gl.TEXTURE_2D, 0, gl[inside], columns, height, 0, gl[format], gl.UNSIGNED_BYTE, null);
    const isAllocated =
      gl.getError() === gl.NO_ERROR && gl.drawingBufferWidth === width && gl.drawingBufferHeight === height;
    if (isAllocated) this.#allocated = key;
    return isAllocated;
  }

  #stepsOf(mapping: SampleMapping): Uint32Array<ArrayBuffer> {
    const known = this.#steps.get(mapping);
    if (known !== undefined) return known;
    const steps = createColorSteps(mapping);
    this.#steps.set(mapping, steps);
    return steps;
  }

  /** Whether the GPU colours an array with all kinds of values like the CPU. */
  #isExact(dtype: string, channels: 1 | 3): boolean {
    const [width, height] = [16, 8];
    const shape = [height, width, channels];
    const payload = Uint8Array.from(
      { length: arrayBytes(dtype, shape) },
      (_, at) => Math.imul(at + 1, 2_654_435_761) >>> 24,
    );
    const array = { encoding: { kind: 'raw', dtype, shape }, width, height, payload } as const;
    const renderer = new ArrayRenderer(parseArrayStyle({ colormap: 'turbo', nanColor: '#f0f' }));
    renderer.prepare(array);
    const expected = new Uint32Array(width * height);
    renderer.render(0, expected.length, expected);
    const { mapping } = renderer;
    if (mapping === null || !this.#draw(array, mapping, 'bgr')) return false;
    const drawn = new Uint8Array(expected.byteLength);
    this.#gl.readPixels(0, 0, width, height, this.#gl.RGBA, this.#gl.UNSIGNED_BYTE, drawn);
    // The first row of WebGL is the lowest one.
    const rows = new Uint32Array(drawn.buffer);
    return expected.every((pixel, at) => rows[(height - 1 - Math.floor(at / width)) * width + (at % width)] === pixel);
  }
}

/** Name of the GPU or its driver. Some browsers report it only by an extension that other browsers have deprecated. */
function nameOf(gl: WebGL2RenderingContext): string {
  const name = String(gl.getParameter(gl.RENDERER));
  const extension = name === 'WebKit WebGL' ? gl.getExtension('WEBGL_debug_renderer_info') : null;
  return extension === null ? name : String(gl.getParameter(extension.UNMASKED_RENDERER_WEBGL));
}

/** Creates the program, and the texture of the steps. @returns null if this fails, as in a context that is lost. */
function setUp(gl: WebGL2RenderingContext): Uniforms | null {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX_SHADER],
    [gl.FRAGMENT_SHADER, FRAGMENT_SHADER],
  ] as const) {
    const shader = gl.createShader(type);
    if (shader === null) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true) return null;
  gl.useProgram(program);
  gl.disable(gl.DITHER);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  for (const unit of [gl.TEXTURE0, gl.TEXTURE1]) {
    gl.activeTexture(unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    // Textures of integers cannot be interpolated.
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32UI, MAX_STEPS, 1, 0, gl.RGBA_INTEGER, gl.UNSIGNED_INT, null);
  const uniforms = Object.fromEntries(
    UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)] as const),
  ) as Uniforms;
  gl.uniform1i(uniforms.samples, 0);
  gl.uniform1i(uniforms.steps, 1);
  return uniforms;
}
