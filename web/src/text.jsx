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

// A text with one marked span [start, end) of code points; long texts are cut around the span until asked for.
export const Foreign = ({ text, start = null, end = null }) => {
  const [whole, setWhole] = useState(text.length <= LONGEST);
  // Offsets count code points, as Python does; JavaScript's strings count UTF-16 units.
  const points = /[\ud800-\udbff]/.test(text) ? Array.from(text) : text;
  const piece = (from, to) => (typeof points === "string" ? points.slice(from, to) : points.slice(from, to).join(""));
  const low = whole ? 0 : Math.max(0, (end ?? points.length) - LONGEST);
  const high = whole ? points.length : Math.min(points.length, low + LONGEST);
  return (
    <>
      {!whole && (
        <p class="soft">
          {points.length.toLocaleString("en")} characters; {(high - low).toLocaleString("en")} are shown.{" "}
          <button onClick={() => setWhole(true)}>Show all</button>
        </p>
      )}
      <pre class="foreign" dir="auto" tabIndex="0">
        {start === null
          ? visible(piece(low, high))
          : [visible(piece(low, start)), <mark>{visible(piece(start, end))}</mark>, visible(piece(end, high))]}
      </pre>
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
      <details>
        <summary class="soft">thinking, {length.toLocaleString("en")} characters</summary>
        <Foreign text={thinking} />
      </details>
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
    if (!drawn || !place.current) return;
    try {
      const plain = text.replace(/^\s*(\$\$?|\\\(|\\\[)|(\$\$?|\\\)|\\\])\s*$/g, "");
      temml.render(plain, place.current, { trust: false, throwOnError: true, maxExpand: 200, maxSize: [20, 20] });
    } catch {
      place.current.textContent = ""; // not LaTeX: the text beside it says what was written
    }
  }, [text]);
  return drawn ? <div class="formula" ref={place} /> : null;
};
