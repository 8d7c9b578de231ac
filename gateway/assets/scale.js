// Scales: which round numbers and which times stand at the axes of a chart.

/** The next round number from here up: 1, 2, 2.5 or 5 of a power of ten. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((step) => value <= step * power * 1.000001);
  return step * power;
}

/** Round numbers from 0 to at least `most`, about three steps of them. */
export function steps(most, isWhole) {
  let step = roundUp(most / 3);
  if (isWhole) step = Math.max(1, Math.ceil(step));
  const count = Math.max(1, Math.ceil(most / step - 0.000001));
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** Steps of time, in seconds, that people count in. */
const TIMES = [5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800, 432_000, 604_800];

/** Round times within a span of Unix seconds, at most `most` of them; round where the reader lives. */
export function times(from, to, most) {
  const step = TIMES.find((step) => (to - from) / step <= most) ?? TIMES.at(-1);
  const local = (time) => time - new Date(time * 1000).getTimezoneOffset() * 60;
  const found = [];
  let time = from + ((step - (local(from) % step)) % step);
  while (time < to) {
    found.push(time);
    time += step;
  }
  return { step, times: found };
}
