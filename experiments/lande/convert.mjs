// Converts the language detector of npm's package lande 1.0.10 and records what it answers.
//
//     npm install --ignore-scripts --no-save --prefix build/lande lande@1.0.10
//     node experiments/lande/convert.mjs build/lande/node_modules/lande/standalone
//
// Run from the root. Writes
//   experiments/data/lande.safetensors   the weights [out, in], with vocabulary and licence
//   experiments/lande/letters.cc         Unicode's letters and marks, and their lower case
//   tests/golden/lande.json              the original's answers to tests/golden/lande.txt
// The weights are those that the original computes with: (byte - 127) / scale, rounded to f32.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = path.resolve(process.argv[2]);
const load = async (name) => (await import(pathToFileURL(path.join(folder, name)))).default;
const lande = await load('t50.js');
const languages = await load('t50-langs.js');
const ngrams = await load('t50-ngrams.js');
const { layers } = await load('t50-options.js');

// --- weights ---

const decode = (text) => {  // "1<scale>|<base64>"
  const bar = text.indexOf('|');
  if (text[0] !== '1' || text[1] === '-' || bar < 2) throw new Error('another encoding');
  const scale = Number(text.slice(1, bar));
  return Float32Array.from(Buffer.from(text.slice(bar + 1), 'base64'), (byte) => (byte - 127) / scale);
};

const [input, hidden, activation, output, last] = layers;
const kinds = [input, hidden, activation, output, last].map((layer) => layer.type).join(' ');
if (layers.length !== 5 || kinds !== 'input dense relu dense softmax') throw new Error(kinds);

const tensors = {};
[hidden, output].forEach((layer, i) => {
  const rows = layer._filters.map(decode);
  tensors[`layer.${i}.bias`] = { shape: [rows.length], values: decode(layer._biases) };
  tensors[`layer.${i}.weight`] = {
    shape: [rows.length, rows[0].length],
    values: Float32Array.from(rows.flatMap((row) => [...row])),
  };
});

const metadata = {
  languages: JSON.stringify(languages),
  license: fs.readFileSync(path.join(folder, '../license'), 'utf8').trim(),
  ngrams: JSON.stringify(['unigrams', 'bigrams', 'trigrams', 'quadgrams'].map((n) => ngrams[n])),
  source: 'npm package lande 1.0.10',
};
const header = { __metadata__: metadata };
let end = 0;
for (const name of Object.keys(tensors).sort()) {
  const begin = end;
  end += 4 * tensors[name].values.length;
  header[name] = { dtype: 'F32', shape: tensors[name].shape, data_offsets: [begin, end] };
}
let text = Buffer.from(JSON.stringify(header));
text = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
const size = Buffer.alloc(8);
size.writeBigUInt64LE(BigInt(text.length));
const data = Object.keys(tensors).sort().map((name) => Buffer.from(tensors[name].values.buffer));
fs.writeFileSync('experiments/data/lande.safetensors', Buffer.concat([size, text, ...data]));

// --- letters ---

const codes = function* () {
  for (let code = 0; code <= 0x10ffff; ++code) {
    if (code < 0xd800 || code > 0xdfff) yield [code, String.fromCodePoint(code)];
  }
};
const ranges = [], cases = [];
for (const [code, text] of codes()) {
  if (!/[\p{L}\p{M}]/u.test(text)) continue;
  const range = ranges.at(-1);
  if (range && range[1] === code - 1) range[1] = code;
  else ranges.push([code, code]);
  const lower = text.toLowerCase();
  if (lower === text || code === 0x130) continue;  // that one becomes two, see normalize.cc
  if ([...lower].length !== 1) throw new Error(`lower case of ${code}`);
  const shift = lower.codePointAt(0) - code, run = cases.at(-1);
  const step = run ? code - run.last : 0;
  if (run && run.shift === shift && (run.first === run.last ? step <= 2 : step === run.step)) {
    Object.assign(run, { last: code, step });
  } else cases.push({ first: code, last: code, step: 1, shift });
}
const hex = (code) => `0x${code.toString(16).toUpperCase()}`;
const table = (rows) => rows.map((row) => `{${row.join(', ')}},`).join(' ');
fs.writeFileSync('experiments/lande/letters.cc', `// Made by convert.mjs from Unicode ${process.versions.unicode}: general categories L and M, and simple lower case.
#include "experiments/lande/letters.h"

#include <array>

namespace palinode::experiments {
namespace {

constexpr std::array<CodeRange, ${ranges.length}> kLetters = {{
${table(ranges.map((range) => range.map(hex)))}
}};

constexpr std::array<CaseRun, ${cases.length}> kUpperCase = {{
${table(cases.map((run) => [hex(run.first), hex(run.last), run.step, run.shift]))}
}};

}  // namespace

std::span<const CodeRange> letters_and_marks() { return kLetters; }

std::span<const CaseRun> upper_case() { return kUpperCase; }

}  // namespace palinode::experiments
`);

// --- answers ---

const lines = fs.readFileSync('tests/golden/lande.txt', 'utf8').split('\n').slice(0, -1);
const answers = lines.map((line) => ({
  text: line,
  top: lande(line).slice(0, 5).map(([language, p]) => [language, Number(p.toPrecision(9))]),
}));
fs.writeFileSync('tests/golden/lande.json', `[\n${answers.map((a) => JSON.stringify(a)).join(',\n')}\n]\n`);
