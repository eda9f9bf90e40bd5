// Bundles src/ into one HTML file without any outside reference, and writes the licences of what it bundles:
// `node build.mjs FOLDER` writes FOLDER/page.html and FOLDER/page.licenses.txt.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const folder = process.argv[2];

const bundle = (entry, options = {}) =>
  build({ entryPoints: [entry], bundle: true, minify: true, write: false, metafile: true, charset: "ascii", ...options });

const script = await bundle("src/main.jsx", { target: "es2022", jsxFactory: "h", jsxFragment: "Fragment" });
const style = await bundle("src/style.css");
const code = script.outputFiles[0].text.trim();

// tests/test_packaging.py computes it as well, so that a page of older sources is noticed.
const sources = createHash("sha256");
for (const file of [...readdirSync("src").map((name) => join("src", name)), "build.mjs", "package-lock.json"].sort()) {
  sources.update(readFileSync(file));
}

// The policy names the script by its digest: no other script can run in the page.
const fill = {
  style: style.outputFiles[0].text.trim(),
  digest: createHash("sha256").update(code).digest("base64"),
  sources: sources.digest("hex"),
  script: code,
};
let page = readFileSync("src/page.html", "utf8");
for (const [name, text] of Object.entries(fill)) page = page.replace(`{{${name}}}`, () => text);
writeFileSync(join(folder, "page.html"), page);

const packages = Object.keys(script.metafile.inputs)
  .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
  .filter(Boolean);
const licenses = [...new Set(packages)].sort().map((name) => {
  const root = join("node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const file = readdirSync(root).find((entry) => /^licen[cs]e/i.test(entry));
  return `${name} ${version} (${license})\n\n${file ? readFileSync(join(root, file), "utf8").trim() : ""}\n`;
});
writeFileSync(join(folder, "page.licenses.txt"), licenses.join(`\n${"-".repeat(80)}\n\n`));
