// Takes one tour: settings as JSON on standard input, the result as JSON on standard output.
import { readFileSync } from "node:fs";

import { point } from "./pointing.mjs";
import * as tours from "./tours.mjs";

const { tour, argument, ...settings } = JSON.parse(readFileSync(0, "utf8"));
const result = await tours[tour](point(settings), argument);
process.stdout.write(JSON.stringify(result));
