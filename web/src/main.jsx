// The page: an overview, the table of groups, one group. The address's fragment says which, so that each has a link.
import { h, render, Fragment } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { appended, source } from "./data.js";
import { GroupView } from "./group.jsx";
import { Groups } from "./groups.jsx";
import { Overview } from "./overview.jsx";
import { shown } from "./text.jsx";

const data = source();

// "#group=12" is the group in row 12 of the file, "#id=sum-of-roots" the first one with that id. The columns begin with
// row `first`: a server forgets old rows.
const place = (index) => {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("id")) return { view: "group", row: index.columns.id.indexOf(given.get("id")) };
  if (given.has("group")) return { view: "group", row: Number(given.get("group")) - index.first };
  return { view: given.has("groups") ? "groups" : "overview" };
};

const Page = ({ initial }) => {
  const [index, setIndex] = useState(initial);
  const [at, setAt] = useState(place(initial));
  const [table, setTable] = useState({});
  const [lost, setLost] = useState(false);
  useEffect(() => {
    const moved = () => setAt(place(index));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, [index]);
  useEffect(() => {
    let latest = initial;
    data.follow?.(() => latest, (more) => {
      latest = appended(latest, more);
      setIndex(latest);
      setAt(place(latest));
    }, setLost);
  }, []);
  useLayoutEffect(() => {
    const pressed = (event) => {
      if (at.view !== "group" || event.ctrlKey || event.metaKey || event.altKey) return;
      const by = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) ? 0 : { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 }[event.key];
      if (event.key === "Escape") location.hash = "#groups";
      else if (by && neighbour(by) !== undefined) go(neighbour(by), by);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  });
  const open = (row, top, rows) => {
    setTable({ ...table, top, rows, first: index.first, chosen: rows.indexOf(row) });
    location.hash = `#group=${index.first + row}`;
  };
  // The neighbours of a group in the table, as it was sorted and filtered when a group was opened from it.
  const { rows } = table;
  const moved = rows ? index.first - table.first : 0; // by so much, as the server has forgotten rows
  const position = at.view !== "group" ? -1 : rows ? rows.indexOf(at.row + moved) : at.row;
  const neighbour = (by) => {
    if (position < 0) return undefined;
    const next = rows ? rows[position + by] - moved : position + by;
    return next >= 0 && next < index.columns.id.length ? next : undefined;
  };
  const go = (row, by) => {
    setTable({ ...table, chosen: position + by });
    location.hash = `#group=${index.first + row}`;
  };
  const known = at.view !== "group" || (Number.isInteger(at.row) && at.row >= 0 && at.row < index.columns.id.length);
  const heading = at.view === "group" && known ? index.columns.id[at.row] || `row ${index.first + at.row + 1}` : index.title;
  return (
    <>
      <header>
        <div>
          <h1 class="foreign" dir="auto">{shown(heading)}</h1>
          <p class="soft">{at.view === "group" && known ? <>group {(index.first + at.row + 1).toLocaleString("en")} of <span class="foreign">{shown(index.title, 80)}</span></> : `Report of empo-rewards ${index.version}${data.follow ? ", live" : ""}`}</p>
        </div>
        <nav aria-label="views">
          <a href="#" aria-current={at.view === "overview" ? "page" : undefined}>Overview</a>
          <a href="#groups" aria-current={at.view === "groups" ? "page" : undefined}>Groups</a>
          {at.view === "group" && known && (
            <span class="steps">
              {[[-1, "← previous"], [1, "next →"]].map(([by, title]) => (
                <button disabled={neighbour(by) === undefined} onClick={() => go(neighbour(by), by)}>{title}</button>
              ))}
            </span>
          )}
        </nav>
      </header>
      <main>
        {lost && <p class="notice alarm" role="alert">The report is not served any more: this page does not grow. Load it anew, or see what the command that served it says.</p>}
        {!known && <p class="notice alarm">This report has no such group.</p>}
        {at.view === "overview" && <Overview index={index} />}
        {at.view === "groups" && <Groups index={index} state={table} setState={setTable} open={open} />}
        {at.view === "group" && known && <GroupView index={index} row={at.row} detail={(row) => data.detail(index, row)} />}
      </main>
    </>
  );
};

const root = document.getElementById("page");
data.index().then(
  (index) => {
    document.documentElement.dataset.ready = "yes";
    root.replaceChildren();
    render(<Page initial={index} />, root);
  },
  (error) => {
    root.textContent = `The data of this page could not be read: ${error.message}`;
  },
);
