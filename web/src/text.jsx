// Text that a model wrote: shown, never acted on. Only text nodes are made of it, and MathML by Temml without trust.
import { h, Fragment } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import temml from "temml";

// Control, format (bidirectional, zero-width, tag) and other invisible characters: each is shown as its code point.
const HIDDEN = /(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

const LONGEST = 20000;
const LONGEST_FORMULA = 1500;

export const shown = (text, keep = 200) => {
  const short = text.length > keep ? `${text.slice(0, keep).replace(/[\ud800-\udbff]$/, "")}…` : text;
  return short.replace(HIDDEN, (character) => `⟨U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
};

const visible = (text) => {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    parts.push(text.slice(from, found.index));
    const code = `U+${found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    parts.push(<span class="code" title="a character that is not shown by itself">{code}</span>);
    from = found.index + found[0].length;
  }
  parts.push(text.slice(from));
  return parts;
};

// A number with so many decimals; in powers of ten where that would be long, or 0.
export const numeric = (value, digits = 3) => {
  if (value === null || value === undefined) return "none";
  const size = Math.abs(value);
  return size >= 1e6 || (size > 0 && size < 0.5 * 10 ** -digits) ? value.toExponential(2) : value.toFixed(digits);
};

// What is folded is made when it is opened first. `children` is a function.
export const Fold = ({ open = false, summary, children, ...rest }) => {
  const [seen, setSeen] = useState(open);
  return (
    <details open={open} onToggle={(event) => event.currentTarget.open && setSeen(true)} {...rest}>
      <summary>{summary}</summary>
      {seen && children()}
    </details>
  );
};

// The first items of a list, and more of them when asked for. `children` makes one item, `wrap` what holds the button.
export const Many = ({ items, first = 100, what, wrap = (more) => more, children }) => {
  const [count, setCount] = useState(first);
  return (
    <>
      {items.slice(0, count).map(children)}
      {items.length > count && wrap(
        <p class="soft">
          {count.toLocaleString("en")} of {items.length.toLocaleString("en")} {what} are shown.{" "}
          <button onClick={() => setCount(count + 5 * first)}>Show more</button>
        </p>,
      )}
    </>
  );
};

const draw = (latex, place, display) => {
  try {
    temml.render(latex, place, { trust: false, throwOnError: true, maxExpand: 200, maxSize: [20, 20], displayMode: display });
    return true;
  } catch {
    place.textContent = ""; // not LaTeX
    return false;
  }
};

// Formulas of a text, each in its delimiters; a longer one than 600 characters is shown as written.
const FORMULAS = /\$\$([^$]{1,600})\$\$|\$([^$\n]{1,600})\$|\\\(([^\n]{1,600}?)\\\)|\\\[([\s\S]{1,600}?)\\\]/g;
const MOST_FORMULAS = 200;

const Inline = ({ latex, display, written }) => {
  const place = useRef(null);
  useLayoutEffect(() => {
    if (!draw(latex, place.current, display)) place.current.textContent = shown(written, written.length);
  }, [latex]);
  return <span class={display ? "formula" : "inline"} ref={place} />;
};

// The parts of a text: what is written, and formulas to be drawn, of which none holds a part of the marked span.
const parts = (text, mark) => {
  const found = [];
  let from = 0;
  let count = 0;
  for (const formula of text.matchAll(FORMULAS)) {
    const [start, end] = [formula.index, formula.index + formula[0].length];
    if (mark && start < mark[1] && end > mark[0]) continue;
    if ((count += 1) > MOST_FORMULAS) break;
    found.push({ start: from, end: start }, { latex: formula[1] ?? formula[2] ?? formula[3] ?? formula[4], display: formula[1] !== undefined || formula[4] !== undefined, written: formula[0] });
    from = end;
  }
  found.push({ start: from, end: text.length });
  return found;
};

// A text with one marked span [start, end) of code points. Long texts are cut around the span until asked for; the
// mathematics outside of the span is drawn, unless it is to be shown as written.
export const Foreign = ({ text, start = null, end = null }) => {
  const [whole, setWhole] = useState(text.length <= LONGEST);
  const [written, setWritten] = useState(false);
  // Offsets count code points, as Python does; JavaScript's strings count UTF-16 units.
  const points = /[\ud800-\udbff]/.test(text) ? Array.from(text) : text;
  const piece = (from, to) => (typeof points === "string" ? points.slice(from, to) : points.slice(from, to).join(""));
  const low = whole ? 0 : Math.max(0, (end ?? points.length) - LONGEST);
  const high = whole ? points.length : Math.min(points.length, low + LONGEST);
  const seen = piece(low, high);
  const before = start === null ? 0 : piece(low, start).length;
  const mark = start === null ? null : [before, before + piece(start, end).length];
  const plain = written || seen.length > LONGEST;
  const found = plain ? [{ start: 0, end: seen.length }] : parts(seen, mark);
  const marked = ({ start: from, end: to }) =>
    mark && from <= mark[0] && mark[1] <= to
      ? [visible(seen.slice(from, mark[0])), <mark>{visible(seen.slice(...mark))}</mark>, visible(seen.slice(mark[1], to))]
      : visible(seen.slice(from, to));
  return (
    <>
      {!whole && (
        <p class="soft">
          {points.length.toLocaleString("en")} characters; {(high - low).toLocaleString("en")} are shown.{" "}
          <button onClick={() => setWhole(true)}>Show all</button>
        </p>
      )}
      <div class="text">
        <pre class="foreign" dir="auto" tabIndex="0">
          {found.map((part) => (part.latex === undefined ? marked(part) : <Inline {...part} />))}
        </pre>
        {(found.length > 1 || written) && (
          <button class="quiet" onClick={() => setWritten(!written)}>{written ? "draw formulas" : "as written"}</button>
        )}
      </div>
    </>
  );
};

const THINKING = /^([\s\S]*?<\/think(?:ing)?>)/i;

// A response: its thinking folded (unless the answer was taken from it), the span of the answer marked.
export const Response = ({ text, answer }) => {
  const thinking = THINKING.exec(text)?.[1] ?? "";
  const length = Array.from(thinking).length;
  if (!thinking || (answer.start !== null && answer.start < length)) {
    return <Foreign text={text} start={answer.start} end={answer.end} />;
  }
  const moved = (offset) => (offset === null ? null : offset - length);
  return (
    <>
      <Fold summary={<span class="soft">thinking, {length.toLocaleString("en")} characters</span>}>{() => <Foreign text={thinking} />}</Fold>
      <Foreign text={text.slice(thinking.length)} start={moved(answer.start)} end={moved(answer.end)} />
    </>
  );
};

const LOOKS_LIKE_MATH = /[\\^_]|\d\s*[-+*/=<>]\s*\d/;

// An answer drawn as a formula where that works; else nothing (its text stands beside it in any case).
export const Formula = ({ text }) => {
  const place = useRef(null);
  const drawn = LOOKS_LIKE_MATH.test(text) && text.length <= LONGEST_FORMULA;
  useLayoutEffect(() => {
    if (drawn && place.current) draw(text.replace(/^\s*(\$\$?|\\\(|\\\[)|(\$\$?|\\\)|\\\])\s*$/g, ""), place.current, false);
  }, [text]);
  return drawn ? <span class="formula" ref={place} /> : null;
};
