/** What is disposed of together, the last first. As AsyncDisposableStack, which Node 20 has not. */
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
