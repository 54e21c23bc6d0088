(self.swParts ??= {}).contents = {
 "pyodide.js": {
  "parts": 1,
  "bytes": 14913,
  "sha256": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98"
 },
 "pyodide.asm.js": {
  "parts": 1,
  "bytes": 1255688,
  "sha256": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51"
 },
 "pyodide.asm.wasm": {
  "parts": 3,
  "bytes": 10105545,
  "sha256": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f"
 },
 "python_stdlib.zip": {
  "parts": 4,
  "bytes": 3870178,
  "sha256": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16"
 },
 "pyodide-lock.json": {
  "parts": 1,
  "bytes": 446,
  "sha256": "ce07ff1bf01f8437ea517bff12debeee99fbe00d29961eba97598ea2b3cc0067"
 },
 "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl": {
  "parts": 4,
  "bytes": 3822439,
  "sha256": "ebb61241d962b98b21597d7ce43b67668a6d5bab3acec4fbe958657320d7cd08"
 }
};
