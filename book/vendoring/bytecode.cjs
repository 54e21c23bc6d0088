// node bytecode.cjs FOLDER WHEEL: has Pyodide write bytecode into its archives, which lie there.
const { readFileSync, writeFileSync } = require("fs"), { join } = require("path");
const [folder, wheel] = process.argv.slice(2), STDLIB = "python_stdlib.zip";
const archives = { [STDLIB]: `/${STDLIB}`, [wheel]: "/numpy.whl" };

require(join(folder, "pyodide.js")).loadPyodide({ indexURL: `${folder}/` }).then(async (python) => {
  await python.loadPackage("numpy", { messageCallback: () => {} });
  for (const [file, inside] of Object.entries(archives)) python.FS.writeFile(inside, readFileSync(join(folder, file)));
  python.runPython(readFileSync(join(__dirname, "bytecode.py"), "utf8"));
  for (const [file, inside] of Object.entries(archives)) writeFileSync(join(folder, file), python.FS.readFile(inside));
});
