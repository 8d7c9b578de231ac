// Numbers and times, written as people do and short enough to be read from afar.

import { serverTime } from "./api.js";
import { currentLanguage, number } from "./i18n.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
/** What has more digits than this is abbreviated. */
const WRITTEN_OUT = 10_000;

const formats = new Map();

/** A format of this language, made once. */
function format(Kind, options) {
  const name = `${Kind.name} ${currentLanguage()} ${JSON.stringify(options)}`;
  if (!formats.has(name)) formats.set(name, new Kind(currentLanguage(), options));
  return formats.get(name);
}

/** A count: whole where it is small, else abbreviated as 12.3K. */
export function amount(value) {
  if (value < WRITTEN_OUT) return number(Math.round(value));
  // Languages differ in what they abbreviate: 1.2万 is 12K.
  const options = { notation: "compact", maximumSignificantDigits: 3 };
  return format(Intl.NumberFormat, options).format(value);
}

/** A rate, which may be a fraction: 0.4, 12, 3.1K. */
export const rate = (value) => (value > 0 && value < 10 ? number(Math.round(value * 10) / 10) : amount(value));

/** A part of a whole, as 0.4%; never 0 where there is something, nor all where something is missing. */
export function share(part, whole) {
  if (whole === 0) return "–";
  const percent = (part / whole) * 100;
  const digits = percent < 10 || percent > 99 ? 1 : 0;
  const least = 10 ** -digits;
  const shown = part === 0 || part === whole ? percent : Math.min(Math.max(percent, least), 100 - least);
  return `${number(Number(shown.toFixed(digits)))}%`;
}

/** How bad it is that so many of so many failed: single ones are no reason to look up. */
export function severity(errors, requests) {
  if (errors < requests * 0.01 || errors === 0) return "";
  return errors < requests * 0.05 ? "warn" : "bad";
}

/** How long something took: 38 ms, 3.1 s, 2 min 05 s. */
export function duration(seconds) {
  if (seconds < 0.001) return `${number(Number((seconds * 1000).toPrecision(1)))} ms`;
  if (seconds < 0.995) return `${number(Math.round(seconds * 1000))} ms`;
  if (seconds < 99.5) return `${number(Number(seconds.toFixed(seconds < 9.95 ? 2 : 1)))} s`;
  const whole = Math.round(seconds);
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${two(whole % MINUTE)} s`;
  return `${Math.floor(whole / HOUR)} h ${two(Math.floor((whole % HOUR) / MINUTE))} min`;
}

/** For how long something has been: its two largest units. */
export function age(seconds) {
  const unit = (value, name) => format(Intl.NumberFormat, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  const whole = Math.max(0, Math.floor(seconds));
  if (whole >= DAY) return `${unit(Math.floor(whole / DAY), "day")} ${unit(Math.floor((whole % DAY) / HOUR), "hour")}`;
  if (whole >= HOUR) return `${unit(Math.floor(whole / HOUR), "hour")} ${unit(Math.floor((whole % HOUR) / MINUTE), "minute")}`;
  if (whole >= MINUTE) return unit(Math.floor(whole / MINUTE), "minute");
  return unit(whole, "second");
}

const two = (value) => String(value).padStart(2, "0");

/** What is left, as a clock that runs down. */
export function clock(seconds) {
  const hours = Math.floor(seconds / HOUR);
  const minutes = Math.floor((seconds % HOUR) / MINUTE);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % MINUTE)}` : `${minutes}:${two(seconds % MINUTE)}`;
}

/** How long ago a time is that is given in Unix seconds. */
export function ago(time) {
  const seconds = Math.min(0, Math.round(time - serverTime()));
  const format = new Intl.RelativeTimeFormat(currentLanguage(), { numeric: "auto", style: "short" });
  const [unit, size] = [["day", DAY], ["hour", HOUR], ["minute", MINUTE]].find(([, size]) => -seconds >= size) ?? ["second", 1];
  return format.format(Math.trunc(seconds / size), unit);
}

const written = (time, options) => format(Intl.DateTimeFormat, options).format(time * 1000);

/** A time of the day, to the minute. */
export const timeOfDay = (time) => written(time, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
/** A time of the day, to the second. */
export const exactTime = (time) => written(time, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
/** A day. */
export const day = (time) => written(time, { day: "numeric", month: "short" });
/** A day and a time of it. */
export const dayAndTime = (time) => `${day(time)} ${timeOfDay(time)}`;
/** A day with its year. */
export const date = (time) => written(time, { day: "numeric", month: "short", year: "numeric" });
