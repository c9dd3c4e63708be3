// Bundles src/ into one static file, with a checksum of src/ and the licences beside it.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = "../static/externalapi/editor.js";

const sources = createHash("sha256");
for (const name of readdirSync("src").sort()) sources.update(readFileSync(`src/${name}`));

const result = await build({
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2021",
  legalComments: "none",
  banner: { js: `/* Built from externalapi/editor, ${sources.digest("hex")}. See editor.LICENSE.txt. */` },
  metafile: true,
  outfile: out,
});

const packages = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
const licences = [...packages].sort().map((name) => {
  const folder = `node_modules/${name}`;
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].find((one) => existsSync(`${folder}/${one}`));
  return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
});
writeFileSync(out.replace(".js", ".LICENSE.txt"), licences.join("\n---\n\n"));
