/** Resources that are disposed of together, the last first. Like AsyncDisposableStack, which Node 20 lacks. */
export class Disposables implements AsyncDisposable {
  readonly #all: AsyncDisposable[] = [];

  use<T extends AsyncDisposable>(resource: T): T {
    this.#all.push(resource);
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.#all.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  }
}
