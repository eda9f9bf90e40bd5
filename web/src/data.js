// Where the page's data comes from: blocks of the page itself, or (while a run goes on) the server that sent the page.

const unpack = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const block = (name) => document.getElementById(name)?.textContent.trim();

// The parts read last: neighbours of a group are usually in its part.
const KEPT_PARTS = 8;

class Embedded {
  constructor() {
    this.parts = new Map();
  }
  index() {
    return unpack(block("index"));
  }
  // The texts of the group in row `row` of the index; null if the page has the group's numbers only.
  async detail(index, row) {
    const part = index.columns.part[row];
    if (part < 0) return null;
    if (!this.parts.has(part)) {
      if (this.parts.size >= KEPT_PARTS) this.parts.delete(this.parts.keys().next().value);
      this.parts.set(part, unpack(block(`part-${part}`)));
    }
    return (await this.parts.get(part))[index.columns.slot[row]];
  }
}

class Live {
  constructor(seconds) {
    this.seconds = seconds;
  }
  // The answer to a path; null where the server has nothing new. Cookies go with it.
  async ask(path) {
    const response = await fetch(path, { cache: "no-store" });
    if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
    return response.status === 204 ? null : response.json();
  }
  index() {
    return this.ask("report/index");
  }
  async detail(index, row) {
    return this.ask(`report/group?run=${index.run}&row=${index.first + row}`);
  }
  // Asks again and again, never twice at once; each answer has the overview of now, and the rows that are new.
  follow(index, changed, lost) {
    const next = () => setTimeout(async () => {
      const { run, rows } = index();
      const more = await this.ask(`report/index?run=${run}&after=${rows}`).catch(() => undefined);
      lost(more === undefined);
      if (more) changed(more);
      next();
    }, this.seconds * 1000);
    next();
  }
}

export const source = () => {
  const live = document.getElementById("live");
  return live ? new Live(Number(live.textContent)) : new Embedded();
};

// The index with what is new: rows that the server holds no more are left out. Those of another run replace all.
export const appended = (index, more) => {
  if (more.run !== index.run) return more;
  const columns = {};
  for (const [name, values] of Object.entries(more.columns)) {
    columns[name] = index.columns[name].slice(more.first - index.first).concat(values);
  }
  return { ...more, columns };
};
