/**
 * Makes viewers use WebGL2 although a program emulates the GPU: its pixels are those of WebGL2, but it is slower than
 * the CPU path. Runs in the page before any of its scripts.
 */
export function useEmulatedGpu(): void {
  const rename = (): void => {
    const prototype = WebGL2RenderingContext.prototype;
    const original = Reflect.get(prototype, 'getParameter') as (name: number) => unknown;
    // RENDERER, and UNMASKED_RENDERER_WEBGL of an extension.
    prototype.getParameter = function getParameter(name: number): unknown {
      return name === 0x1f01 || name === 0x9246 ? 'a GPU' : original.call(this, name);
    };
  };
  rename();
  globalThis.Worker = class extends Worker {
    constructor(script: string | URL, options?: WorkerOptions) {
      const address = JSON.stringify(new URL(script, location.href).href);
      const text = `(${rename.toString()})(); await import(${address});`;
      super(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), options);
    }
  };
}
