// The table of all groups: sorted, filtered and searched in the page; only the rows in sight are in the document.
import { Component, h, Fragment } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { numeric, shown } from "./text.jsx";

const ROW = 34;
const BEYOND = 12;

// The rows in the document change when so many pixels have been scrolled.
const BLOCK = 6 * ROW;

const number = (value) => (value === null ? "" : numeric(value));

const COLUMNS = [
  { name: "id", title: "group", width: "13%", show: (value) => shown(value, 60) },
  { name: "prompt", title: "prompt", width: "auto", show: (value) => shown(value, 160) },
  { name: "majority", title: "majority", width: "15%", show: (value) => shown(value, 60) },
  { name: "share", title: "share", numeric: true, bar: true, width: "66px", show: number },
  { name: "entropy", title: "entropy", numeric: true, width: "70px", show: number },
  { name: "clusters", title: "clusters", numeric: true, width: "74px", show: (value) => value },
  { name: "size", title: "size", numeric: true, width: "50px", show: (value) => value },
  { name: "blanks", title: "blanks", numeric: true, rare: true, width: "64px", show: (value) => value || "" },
  { name: "flagged", title: "guards", numeric: true, rare: true, width: "66px", show: (value) => value || "" },
  { name: "undecided", title: "undecided", numeric: true, rare: true, width: "86px", show: (value) => value || "" },
  { name: "accuracy", title: "accuracy", numeric: true, rare: true, width: "78px", show: number },
  { name: "right", title: "right?", rare: true, width: "72px", show: (value) => (value === null ? "" : <span class={`badge ${value ? "good" : "bad"}`}>{value ? "right" : "wrong"}</span>) },
  { name: "changes", title: "what differs", rare: true, width: "190px", show: (value) => value },
  { name: "outcome", title: "outcome", width: "104px", show: (value) => value.replaceAll("_", " ") },
];

// Columns that most reports have no values for are left out where there is none.
const has = (values) => values.some((value) => value !== null && value !== 0 && value !== "");

const EMPTY = { text: "", outcome: "", only: "", low: "", high: "" };

const ONLY = {
  wrong: ["majority differs from the label", (columns, row) => columns.right[row] === 0],
  sure: ["… and is sure (share 0.8 or more)", (columns, row) => columns.right[row] === 0 && columns.share[row] >= 0.8],
  flagged: ["a guard fired", (columns, row) => columns.flagged[row] > 0],
  undecided: ["undecided pairs", (columns, row) => columns.undecided[row] > 0],
  ragged: ["members are missing", (columns, row) => columns.size[row] < columns.expected[row]],
  blanks: ["blank responses", (columns, row) => columns.blanks[row] > 0],
};

// One lower-case text a row, made once for an index.
const searchable = (columns) => columns.id.map((id, row) => `${id}\n${columns.prompt[row]}\n${columns.majority[row]}\n${columns.changes[row]}`.toLowerCase());

const kept = (columns, texts, filter) => {
  const wanted = filter.text.trim().toLowerCase();
  const only = ONLY[filter.only]?.[1];
  const low = filter.low === "" ? -Infinity : Number(filter.low);
  const high = filter.high === "" ? Infinity : Number(filter.high);
  const rows = [];
  for (let row = 0; row < columns.id.length; row += 1) {
    if (filter.outcome && columns.outcome[row] !== filter.outcome) continue;
    if (only && !only(columns, row)) continue;
    const entropy = columns.entropy[row];
    if ((low > -Infinity || high < Infinity) && (entropy === null || entropy < low || entropy > high)) continue;
    if (wanted && !texts[row].includes(wanted)) continue;
    rows.push(row);
  }
  return rows;
};

const sorted = (columns, rows, { name, down }) => {
  const values = columns[name];
  const sign = down ? -1 : 1;
  // Rows without a value stand last in either direction.
  const compare = (a, b) => {
    const [x, y] = [values[a], values[b]];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return (x < y ? -sign : x > y ? sign : 0) || a - b;
  };
  return name ? [...rows].sort(compare) : rows;
};

const save = (ids) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([ids.map((id) => `${JSON.stringify(id)}\n`).join("")], { type: "application/jsonl" }));
  link.download = "group-ids.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
};

// One row; it is made anew only where something of it has changed, so that scrolling is cheap.
class Row extends Component {
  shouldComponentUpdate(next) {
    return ["columns", "fields", "row", "number", "place", "chosen"].some((name) => next[name] !== this.props[name]);
  }
  render({ columns, fields, row, number, place, chosen }) {
    const open = (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.props.open();
    };
    return (
      <tr aria-rowindex={place + 2} class={chosen ? "chosen" : ""} onClick={open}>
        {fields.map((column) => {
          const given = columns[column.name][row];
          const value = column.show(given);
          return (
            <td class={column.numeric ? "number" : "foreign"} dir={column.numeric ? undefined : "auto"} style={column.bar && given !== null ? { "--part": `${100 * given}%` } : undefined}>
              {column.name === "id" ? <a href={`#group=${number}`} onClick={open}>{value || `row ${number + 1}`}</a> : value}
            </td>
          );
        })}
      </tr>
    );
  }
}

export const Groups = ({ index, state, setState, open }) => {
  const columns = index.columns;
  const labelled = useMemo(() => columns.right.some((value) => value !== null), [columns]);
  const fields = useMemo(() => COLUMNS.filter(({ name, rare }) => !rare || (name === "accuracy" || name === "right" ? labelled : has(columns[name]))), [columns]);
  const texts = useMemo(() => searchable(columns), [columns]);
  const { filter = EMPTY, sort = { name: "", down: false }, chosen = 0 } = state;
  const rows = useMemo(() => sorted(columns, kept(columns, texts, filter), sort), [columns, texts, filter, sort]);
  const outcomes = useMemo(() => [...new Set(columns.outcome)].sort(), [columns]);
  const [top, setTop] = useState(state.top ?? 0);
  const [height, setHeight] = useState(600);
  const place = useRef(null);
  const search = useRef(null);

  const setFilter = (change) => {
    setState({ ...state, filter: { ...filter, ...change }, chosen: 0 });
    if (place.current) place.current.scrollTop = 0;
  };
  const choose = (position) => {
    const next = Math.max(0, Math.min(rows.length - 1, position));
    setState({ ...state, chosen: next });
    const at = next * ROW;
    const view = place.current;
    if (at < view.scrollTop) view.scrollTop = at;
    else if (at + 3 * ROW > view.scrollTop + view.clientHeight) view.scrollTop = at + 3 * ROW - view.clientHeight;
  };

  useEffect(() => {
    place.current.scrollTop = state.top ?? 0;
    const watched = new ResizeObserver(() => setHeight(place.current?.clientHeight ?? 600));
    watched.observe(place.current);
    return () => watched.disconnect();
  }, []);
  // A layout effect: the next key must meet what this one has changed.
  useLayoutEffect(() => {
    const keys = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15 };
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === "/" && !typing) {
        event.preventDefault();
        search.current.focus();
      } else if (event.key === "Escape" && typing) event.target.blur();
      else if (typing || event.target.tagName === "BUTTON" || event.target.tagName === "A") return;
      else if (event.key in keys) {
        event.preventDefault();
        choose(chosen + keys[event.key]);
      } else if (event.key === "Enter" && rows.length) open(rows[chosen], place.current.scrollTop, rows);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  });

  const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + BEYOND);
  const order = (name) => (sort.name === name ? (sort.down ? "descending" : "ascending") : "none");
  const turn = (name) => setState({ ...state, sort: { name, down: sort.name === name ? !sort.down : false }, chosen: 0 });

  return (
    <>
      <div class="filters" role="search">
        <label>
          search (/)
          <input ref={search} type="search" value={filter.text} placeholder="id, prompt, majority" onInput={(event) => setFilter({ text: event.target.value })} />
        </label>
        <label>
          outcome
          <select value={filter.outcome} onChange={(event) => setFilter({ outcome: event.target.value })}>
            <option value="">all</option>
            {outcomes.map((outcome) => <option value={outcome}>{outcome.replaceAll("_", " ")}</option>)}
          </select>
        </label>
        <label>
          only where
          <select value={filter.only} onChange={(event) => setFilter({ only: event.target.value })}>
            <option value="">all</option>
            {Object.entries(ONLY).map(([name, [title]]) => <option value={name}>{title}</option>)}
          </select>
        </label>
        <label>
          entropy from
          <input type="number" step="0.1" min="0" value={filter.low} onInput={(event) => setFilter({ low: event.target.value })} />
        </label>
        <label>
          to
          <input type="number" step="0.1" min="0" value={filter.high} onInput={(event) => setFilter({ high: event.target.value })} />
        </label>
        <button onClick={() => setFilter(EMPTY)}>Clear</button>
        <button onClick={() => save(rows.map((row) => columns.id[row]))}>Save these ids</button>
      </div>
      <p class="soft" role="status">
        <strong>{rows.length.toLocaleString("en")} of {columns.id.length.toLocaleString("en")} groups.</strong>{" "}
        {rows.length ? "Arrow keys or j and k move, Enter opens." : "No group is like that: clear the filters."}
      </p>
      <div class="scrolled groups" ref={place} tabIndex="0" role="region" aria-label="groups" onScroll={(event) => setTop(Math.floor(event.target.scrollTop / BLOCK) * BLOCK)}>
        <table aria-rowcount={rows.length + 1}>
          <colgroup>{fields.map((column) => <col style={{ width: column.width }} />)}</colgroup>
          <thead>
            <tr>
              {fields.map((column) => (
                <th scope="col" class={column.numeric ? "number" : ""} aria-sort={order(column.name)}>
                  <button onClick={() => turn(column.name)}>
                    {column.title}
                    {sort.name === column.name ? (sort.down ? " ↓" : " ↑") : ""}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {first > 0 && <tr aria-hidden="true" style={{ height: `${first * ROW}px` }}><td class="spacer" colSpan={fields.length} /></tr>}
            {rows.slice(first, last).map((row, offset) => (
              <Row key={row} columns={columns} fields={fields} row={row} number={index.first + row} place={first + offset} chosen={first + offset === chosen} open={() => open(row, place.current.scrollTop, rows)} />
            ))}
            {last < rows.length && <tr aria-hidden="true" style={{ height: `${(rows.length - last) * ROW}px` }}><td class="spacer" colSpan={fields.length} /></tr>}
          </tbody>
        </table>
      </div>
    </>
  );
};
