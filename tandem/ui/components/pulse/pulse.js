// Draws the status strip, the watchlist and the three cards. Everything that comes from
// outside is placed with textContent: it can never become markup. Nodes are reused and written to only
// when their text changed, so nothing moves when nothing changed.

// A line is a list of [text, tone, strong, width]: spans, bold where strong, at least `width` digits wide,
// so that what stands behind a number does not move with it.
function line(target, parts) {
  const spans = children(target, parts.length, () => node("span"));
  parts.forEach(([text, tone, strong, width], index) => {
    set(spans[index], text);
    mark(spans[index], "data-tone", tone || null);
    spans[index].style.fontWeight = strong ? "650" : "";
    spans[index].style.color = strong && !tone ? "var(--text)" : "";
    spans[index].style.minWidth = width ? `${width}ch` : "";
    spans[index].classList.toggle("number", Boolean(width));
  });
}

function strip(root, status) {
  const badge = root.querySelector(".badge");
  set(badge, status.label);
  mark(badge, "data-tone", status.tone);
  const items = children(root.querySelector(".items"), status.items.length, () => node("span", "item"));
  status.items.forEach((item, index) => {
    line(items[index], item.parts);
    mark(items[index], "title", item.hint || null);
    mark(items[index], "data-testid", item.id || null);
  });
  set(root.querySelector(".right"), status.right);
  mark(root.querySelector(".right"), "data-tone", status.right_tone || null);
  set(root.querySelector(".said"), status.said);
}

function watch(root, chips, choose) {
  const list = children(root.querySelector(".watch"), chips.length, () => {
    const chip = node("button", "chip");
    chip.type = "button";
    chip.append(node("span", "pair"), node("span", "z"), node("span", "state"));
    chip.onclick = () => chip.choose(chip.dataset.pair);
    return chip;
  });
  chips.forEach((chip, index) => {
    const button = list[index];
    button.choose = choose;
    mark(button, "data-pair", chip.key);
    mark(button, "aria-current", chip.active ? "true" : null);
    set(button.children[0], chip.pair);
    set(button.children[1], chip.z);
    set(button.children[2], chip.state);
    mark(button.children[2], "data-tone", chip.tone || null);
  });
}

function rows(target, list) {
  const made = children(target, list.length, () => {
    const row = node("div", "row");
    row.append(node("dt"), node("dd"));
    return row;
  });
  list.forEach((row, index) => {
    const [term, value] = made[index].children;
    set(term, row.label);
    set(value, row.value);
    mark(term, "title", row.hint || null);
    mark(value, "data-tone", row.tone || null);
    mark(value, "data-testid", row.id || null);
    made[index].classList.toggle("total", Boolean(row.total));
  });
}

function gauge(target, scale) {
  target.style.visibility = scale ? "visible" : "hidden";
  if (!scale) return;
  const at = (z) => 50 + 50 * Math.max(-1, Math.min(1, z / scale.limit));
  const bands = [
    ["long", -scale.limit, -scale.entry],
    ["rest", -scale.exit, scale.exit],
    ["short", scale.entry, scale.limit],
  ];
  const rail = children(target.querySelector(".rail"), bands.length + 1, () => node("i"));
  bands.forEach(([name, from, to], index) => {
    rail[index].className = name;
    rail[index].style.left = `${at(from)}%`;
    rail[index].style.width = `${at(to) - at(from)}%`;
  });
  const needle = rail[bands.length];
  needle.className = "needle";
  needle.style.left = `${at(scale.z ?? 0)}%`;
  needle.hidden = scale.z == null;
  const ticks = [-scale.limit, -scale.entry, -scale.exit, scale.exit, scale.entry, scale.limit];
  const labels = children(target.querySelector(".ticks"), ticks.length, () => node("span"));
  ticks.forEach((tick, index) => {
    labels[index].style.left = `${at(tick)}%`;
    set(labels[index], `${tick < 0 ? "\u2212" : ""}${Math.abs(tick)}`);
  });
}

// The trade, a row for each leg: lead, verb, quantity, asset, price.
function legs(target, list) {
  const cells = children(target, list.length * 5, () => node("span"));
  list.flat().forEach((text, index) => set(cells[index], index % 5 === 4 ? `at ${text}` : text));
}

function cards(root, data) {
  set(root.querySelector(".signal"), data.signal.label);
  mark(root.querySelector(".signal"), "data-tone", data.signal.tone || null);
  line(root.querySelector(".zed"), data.signal.z);
  legs(root.querySelector(".legs"), data.signal.legs);
  const lines = children(root.querySelector(".lines"), data.signal.lines.length, () => node("div", "line"));
  data.signal.lines.forEach((parts, index) => line(lines[index], parts));
  gauge(root.querySelector(".gauge"), data.signal.gauge);
  line(root.querySelector(".paper"), data.signal.paper);
  set(root.querySelector(".since"), data.signal.since);
  for (const name of ["truth", "cost"]) {
    rows(root.querySelector(`.${name} .rows`), data[name].rows);
    const note = root.querySelector(`.${name} .note`);
    set(note, data[name].note);
    mark(note, "data-tone", data[name].tone || null);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".pulse");
  mark(root, "data-mode", modeOf(root));
  strip(root, data.status);
  watch(root, data.watch, (key) => setTriggerValue("pair", key));
  root.querySelector(".cards").hidden = !data.signal;
  if (data.signal) cards(root, data);
}
