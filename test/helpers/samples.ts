/** Parsed text of `GET /metrics`: each series with its value, such as `gearway_ports{stream="main",state="free"}`. */
export function readSamples(text: string): ReadonlyMap<string, number> {
  return new Map(
    text.split('\n').flatMap((line): [string, number][] => {
      const [, series, value] = /^([a-z]\w*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      return series === undefined ? [] : [[series, Number(value)]];
    }),
  );
}
