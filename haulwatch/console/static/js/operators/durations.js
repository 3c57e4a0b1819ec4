// Durations as rule files have them: `30s`, `2m`, `1h30m`, `1d`; in seconds here.
const UNITS = { d: 86400, h: 3600, m: 60, s: 1 };

export function durationText(seconds) {
  if (seconds < 60 || seconds !== Math.floor(seconds)) return `${seconds}s`;
  let rest = seconds;
  let text = "";
  for (const [unit, size] of Object.entries(UNITS)) {
    const n = Math.floor(rest / size);
    if (n) text += `${n}${unit}`;
    rest -= n * size;
  }
  return text;
}

// Seconds, or null for what is no duration.
export function durationOf(text) {
  const found = /^\s*(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?\s*$/.exec(text);
  if (!found || !text.trim()) return null;
  return Object.values(UNITS).reduce((sum, size, i) => sum + Number(found[i + 1] ?? 0) * size, 0);
}
