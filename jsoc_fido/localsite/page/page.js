// The page of a DRMS site. It asks the CGIs that any client asks, under addresses relative to the page, and puts what
// they answer into the document as text only: descriptions and values come from files, and may hold anything.

const PAUSE = 300; // ms without typing, after which the record set is looked up
const THUMBNAIL = 96;
const LARGE = 768;
const MOST = 500; // records in the table

const field = (id) => document.getElementById(id);

/** Make an element with properties and children; texts stay texts. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function headed(names, rows) {
  const heads = names.map((name) => element("th", { scope: "col" }, name));
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

const cells = (...texts) => texts.map((text) => element("td", {}, String(text ?? "")));

/** Ask a CGI. What is wrong becomes an error with the site's words. */
async function ask(program, parameters, signal) {
  const query = new URLSearchParams(parameters);
  const reply = await fetch(`cgi-bin/ajax/${program}?${query}`, { signal });
  if (!reply.ok) {
    throw new Error(`The site answered ${reply.status} ${reply.statusText}.`);
  }
  const answer = await reply.json();
  if (answer.status !== 0) {
    throw new Error(answer.error ?? answer.errmsg ?? `The site answered with status ${answer.status}.`);
  }
  return answer;
}

const info = (op, parameters, signal) => ask("jsoc_info", { op, ...parameters }, signal);

/** Where a stored file is, seen from the page; null if the site has none. */
function address(path) {
  return /^\/SUM\d/.test(path) ? path.slice(1).split("/").map(encodeURIComponent).join("/") : null;
}

// Series

let names = [];

function showNames() {
  const words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = names.filter(({ name, note }) => {
    const text = `${name} ${note}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  field("series-count").textContent = `${found.length} of ${names.length}`;
  field("series").replaceChildren(
    ...found.map(({ name, note }) => {
      const button = element("button", { type: "button" }, name, element("small", {}, note));
      button.dataset.name = name;
      button.addEventListener("click", () => choose(name));
      return element("li", {}, button);
    }),
  );
  markChosen();
}

function markChosen() {
  for (const button of field("series").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.name.toLowerCase() === series.name.toLowerCase()));
  }
}

function choose(name) {
  field("ds").value = name;
  lookUp();
}

// One series

const series = { name: "", keys: [], segments: [], columns: new Set() };

/** Describe the series that a record set begins with, unless it is the one that is shown. */
async function describe(ds, signal) {
  const name = /^\s*([\w.]+)/.exec(ds)?.[1] ?? "";
  if (!name || name.toLowerCase() === series.name.toLowerCase()) {
    return;
  }
  const known = await info("series_struct", { ds: name }, signal);
  signal.throwIfAborted();
  series.name = names.find((item) => item.name.toLowerCase() === name.toLowerCase())?.name ?? name;
  series.keys = known.primekeys.filter((key) => key !== null);
  series.segments = known.segments;
  series.columns = new Set(series.keys.length ? series.keys : ["*recnum*"]);
  showSeries(known);
  markChosen();
}

function showSeries(known) {
  field("about-title").textContent = series.name;
  field("note").textContent = known.note;
  const facts = [
    ["Prime keys", series.keys.join(", ") || "none"],
    ["First record", known.Interval.FirstRecord],
    ["Last record", known.Interval.LastRecord],
    ["Links", known.links.map((link) => `${link.name} → ${link.target}`).join(", ") || "none"],
  ];
  field("facts").replaceChildren(
    ...facts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, String(text))]),
  );
  const segments = known.segments.map((item) =>
    element("tr", {}, ...cells(item.name, item.type, item.units, item.protocol, item.dims, item.note)),
  );
  field("segments").replaceChildren(headed(["Name", "Type", "Units", "Protocol", "Dimensions", "Note"], segments));
  field("keywords").replaceChildren(headed(["Column", "Type", "Units", "Note"], known.keywords.map(keywordRow)));
  const images = known.segments.filter((item) => item.protocol !== "generic");
  field("segment").replaceChildren(
    ...images.map((item) => new Option(item.name, item.name)),
    new Option("none", ""),
  );
  field("about").hidden = false;
}

function keywordRow(keyword) {
  const box = element("input", { type: "checkbox", checked: series.columns.has(keyword.name) });
  box.addEventListener("change", () => {
    series.columns[box.checked ? "add" : "delete"](keyword.name);
    lookUp();
  });
  // Set as text: a label names its box also for those who do not see it.
  const label = element("label", {}, box, ` ${keyword.name}`);
  return element("tr", {}, element("td", {}, label), ...cells(keyword.type, keyword.units, keyword.note));
}

// Records

let waiting = null;
let asked = new AbortController();

function say(text, wrong = false) {
  const message = field("message");
  message.textContent = text;
  message.classList.toggle("error", wrong);
  field("ds").setAttribute("aria-invalid", String(wrong));
}

function later() {
  clearTimeout(waiting);
  waiting = setTimeout(lookUp, PAUSE);
}

/** Show what the record set selects, or what is wrong with it. What was asked before is of no interest any more. */
async function lookUp() {
  clearTimeout(waiting);
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const ds = field("ds").value.trim();
  history.replaceState(null, "", ds ? `#${encodeURIComponent(ds)}` : location.pathname);
  if (!ds) {
    say("");
    field("table").hidden = true;
    return;
  }
  say("Looking …");
  try {
    await describe(ds, signal);
    const most = Math.min(Math.max(Math.trunc(Number(field("limit").value)) || 1, 1), MOST);
    const segments = series.segments.map((item) => item.name);
    const [{ count }, records] = await Promise.all([
      info("rs_summary", { ds }, signal),
      info(
        "rs_list",
        { ds, key: [...series.columns].join(","), seg: segments.join(","), n: most * Number(field("which").value), R: 1 },
        signal,
      ),
    ]);
    signal.throwIfAborted();
    showRecords(records);
    const shown = records.count < count ? `; ${field("which").selectedOptions[0].text} ${records.count} are shown` : "";
    say(`${count} ${count === 1 ? "record" : "records"}${shown}.`);
  } catch (error) {
    if (!signal.aborted) {
      field("table").hidden = true;
      say(error.message.trim(), true);
    }
  }
}

function showRecords(records) {
  const table = field("table");
  table.hidden = records.count === 0;
  if (!records.count) {
    table.replaceChildren();
    return;
  }
  const segment = records.segments.find((item) => item.name === field("segment").value);
  const titles = [
    ...(segment ? ["Picture"] : []),
    ...records.keywords.map((column) => column.name),
    ...(records.segments.length ? ["Files"] : []),
  ];
  const rows = records.recinfo.map(({ name }, number) => {
    const row = element("tr");
    if (segment) {
      row.append(element("td", {}, thumbnail(segment.values[number], `${name}{${segment.name}}`)));
    }
    row.append(...cells(...records.keywords.map((column) => column.values[number])));
    if (records.segments.length) {
      row.append(element("td", {}, ...records.segments.flatMap((item) => file(item, number))));
    }
    return row;
  });
  table.replaceChildren(headed(titles, rows));
}

function file(segment, number) {
  const where = address(segment.values[number] ?? "");
  return where ? [element("a", { href: where }, segment.name), " "] : [];
}

function thumbnail(path, name) {
  const where = address(path ?? "");
  if (!where) {
    return "";
  }
  const image = element("img", { loading: "lazy", alt: name, width: THUMBNAIL, height: THUMBNAIL });
  const button = element("button", { type: "button", className: "thumbnail", title: `Enlarge ${name}` }, image);
  image.addEventListener("error", () => button.replaceWith("no picture"));
  image.src = `quicklook/${where}?size=${THUMBNAIL}`;
  button.addEventListener("click", () => enlarge(where, name));
  return button;
}

function enlarge(where, name) {
  const dialog = field("picture");
  field("picture-title").textContent = name;
  const image = dialog.querySelector("img");
  image.alt = name;
  image.src = `quicklook/${where}?size=${LARGE}`;
  dialog.querySelector("a").href = where;
  dialog.showModal();
}

// Beginning

field("search").addEventListener("input", showNames);
field("ds").addEventListener("input", later);
field("limit").addEventListener("input", later);
field("which").addEventListener("change", lookUp);
field("segment").addEventListener("change", lookUp);
field("question").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp();
});

try {
  names = (await ask("show_series", {})).names;
  showNames();
} catch (error) {
  say(error.message, true);
}
if (location.hash.length > 1) {
  try {
    field("ds").value = decodeURIComponent(location.hash.slice(1));
  } catch {
    field("ds").value = location.hash.slice(1);
  }
  lookUp();
}
