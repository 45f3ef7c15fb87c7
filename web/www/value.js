// Values as people type and read them.

/** JSON where it is JSON, else text, as on the command line. */
export function parse(text) {
  try {
    const value = JSON.parse(text);
    return { value, kind: kindOf(value) };
  } catch {
    return { value: text, kind: "text" };
  }
}

function kindOf(value) {
  if (value === null) return "JSON null";
  if (Array.isArray(value)) return "JSON array";
  return `JSON ${typeof value}`;
}

/** A value as text. A string at the top is shown bare, where that cannot be misread. */
export function show(value, most = 300) {
  const text = typeof value === "string" && parse(value).kind === "text" ? value : literal(value, 0);
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** A text that is different for different keys. */
export const identity = (key) => literal(key, 0);

function literal(value, depth) {
  if (depth > 6) return "…";
  const inner = (item) => literal(item, depth + 1);
  const list = (items, map) => Array.from(items, map).join(", ");
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "object":
      break;
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
  if (value === null) return "null";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "no date" : value.toISOString();
  if (value instanceof Map) return `Map {${list(value, ([k, v]) => `${inner(k)} → ${inner(v)}`)}}`;
  if (value instanceof Set) return `Set {${list(value, inner)}}`;
  if (value instanceof ArrayBuffer) return bytes(new Uint8Array(value));
  if (value instanceof Uint8Array) return bytes(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} [${list(value, inner)}]`;
  if (Array.isArray(value)) return `[${list(value, inner)}]`;
  return `{${list(Object.entries(value), ([k, v]) => `${JSON.stringify(k)}: ${inner(v)}`)}}`;
}

function bytes(value) {
  const shown = Array.from(value.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `h'${shown}${value.length > 32 ? "…" : ""}' (${value.length} bytes)`;
}
