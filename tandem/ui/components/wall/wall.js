// Draws the wall of watched instruments. What comes from outside is placed with textContent: it can
// never become markup. Each instrument keeps its nodes, which are written to only where something
// changed, so nothing moves when nothing changed, and a key press finds the focus where it was.

const HEADS = [
  ["instrument", "", ""],
  ["1 min", "", ""],
  ["price", "move in 60 s", "end"],
  ["z", "return z", "end"],
  ["anomaly", "", "end"],
  ["trend", "", "middle"],
  ["ann. vol", "age", "end"],
];

function cell(className, ...names) {
  const made = node("span", `cell ${className}`);
  for (const name of names) made.append(node("span", name));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

function makeTile() {
  const tile = node("button", "tile");
  tile.type = "button";
  const spark = document.createElementNS(SVG, "svg");
  spark.setAttribute("preserveAspectRatio", "none");
  spark.append(document.createElementNS(SVG, "polyline"));
  tile.append(
    cell("", "name", "second venue"), spark, cell("end", "price", "second move"), cell("end", "z", "second return"),
    cell("end", "score", "rail"), node("span", "arrow"), cell("end", "volatility", "second age"),
  );
  tile.querySelector(".rail").append(node("i"));
  tile.parts = Object.fromEntries(
    ["name", "venue", "price", "move", "z", "return", "score", "rail", "arrow", "volatility", "age"].map(
      (name) => [name, tile.querySelector(`.${name}`)]),
  );
  tile.line = spark;
  tile.onclick = () => tile.choose(tile.dataset.key);
  return tile;
}

function spark(svg, heights) {
  mark(svg, "viewBox", `0 -1 ${Math.max(heights.length - 1, 1)} 22`);
  mark(svg.firstElementChild, "points", heights.map((height, at) => `${at},${height}`).join(" "));
}

function draw(tile, row) {
  const parts = tile.parts;
  mark(tile, "data-key", row.key);
  mark(tile, "data-state", row.state);
  mark(tile, "aria-label", row.said);
  mark(tile, "title", row.reason || null);
  tile.setAttribute("aria-pressed", row.chosen ? "true" : "false");
  set(parts.name, row.name);
  set(parts.venue, row.venue);
  mark(parts.venue, "data-not-now", row.not_now);
  set(parts.price, row.price);
  set(parts.move, row.move);
  set(parts.z, row.z);
  mark(parts.z, "data-bad", row.z_bad);
  set(parts.return, row.return_z);
  mark(parts.return, "data-bad", row.return_bad);
  set(parts.score, row.score);
  mark(parts.score, "data-bad", row.score_bad);
  mark(parts.rail, "data-bad", row.score_bad);
  mark(parts.rail, "data-none", row.score_ratio == null);
  // From half the cut to 1.3 times it.
  const share = row.score_ratio == null ? 0 : Math.max(0, Math.min(1, (row.score_ratio - 0.5) / 0.8));
  parts.rail.firstElementChild.style.width = `${(100 * share).toFixed(1)}%`;
  set(parts.arrow, row.arrow);
  mark(parts.arrow, "data-points", row.points);
  set(parts.volatility, row.volatility);
  set(parts.age, row.age);
  spark(tile.line, row.spark);
}

function heads(root, columns) {
  const list = root.querySelector(".heads");
  mark(list, "data-many", columns > 1 ? columns : null);
  if (list.children.length) return;
  for (let at = 0; at < 3; at += 1) {
    const head = node("div", "head");
    for (const [first, second, where] of HEADS) {
      const made = cell(where, "", "second");
      set(made.children[0], first);
      set(made.children[1], second);
      head.append(made);
    }
    list.append(head);
  }
}

function tell(list, told) {
  const shown = told.length ? told : [{ name: "", text: "Nothing is flagged.", tone: "muted" }];
  const items = children(list, shown.length, () => {
    const made = node("li");
    made.append(node("b"), node("span"));
    return made;
  });
  shown.forEach((one, at) => {
    mark(items[at], "data-tone", one.tone);
    mark(items[at], "data-strong", one.strong);
    mark(items[at], "title", one.text);
    set(items[at].children[0], one.name);
    items[at].children[0].hidden = !one.name;
    set(items[at].children[1], one.text);
  });
}

// On a phone the detail lies below the wall: whoever chooses an instrument wants to see it.
function showDetail() {
  const detail = document.querySelector(".st-key-watch-detail");
  if (!detail || detail.getBoundingClientRect().top < 0.6 * window.innerHeight) return;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  detail.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".wall");
  mark(root, "data-mode", modeOf(root));
  const choose = (key) => {
    setTriggerValue("instrument", key);
    showDetail();
  };
  const grid = root.querySelector(".grid");
  const columns = data.rows.length > 30 ? 3 : data.rows.length > 3 ? 2 : 1;
  heads(root, columns);
  mark(grid, "data-many", columns > 1 ? columns : null);
  tell(root.querySelector(".told"), data.told);
  const known = new Map([...grid.children].map((tile) => [tile.dataset.key, tile]));
  let before = null;
  for (const row of data.rows) {
    const tile = known.get(row.key) ?? makeTile();
    known.delete(row.key);
    draw(tile, row);
    tile.choose = choose;
    const place = before ? before.nextElementSibling : grid.firstElementChild;
    if (place !== tile) grid.insertBefore(tile, place);
    before = tile;
  }
  for (const gone of known.values()) gone.remove();
}
