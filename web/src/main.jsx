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
      if (at.view === "group" && event.key === "Escape") location.hash = "#groups";
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [at]);
  const open = (row, top) => {
    setTable({ ...table, top });
    location.hash = `#group=${index.first + row}`;
  };
  const known = at.view !== "group" || (Number.isInteger(at.row) && at.row >= 0 && at.row < index.columns.id.length);
  const heading = at.view === "group" && known ? index.columns.id[at.row] || `row ${index.first + at.row + 1}` : index.title;
  return (
    <>
      <header>
        <h1 class="foreign" dir="auto">{shown(heading)}</h1>
        <nav aria-label="views">
          <a href="#" aria-current={at.view === "overview" ? "page" : undefined}>Overview</a>
          <a href="#groups" aria-current={at.view === "groups" ? "page" : undefined}>Groups</a>
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
