// Draws a list whose rows open, switch and act. Everything is placed with textContent: it can never
// become markup. Rows are known by their ids: they move, change and stay open, none is made anew.
// While the pointer is over a live list nothing moves under it; what came is drawn once it leaves.

function made(root, id) {
  const item = node("li");
  const row = node("div", "row");
  const box = node("label", "switch");
  const input = node("input");
  input.type = "checkbox";
  mark(input, "role", "switch");
  input.addEventListener("change", () => root.act(input.checked ? "on" : "off", id));
  box.append(input);
  const what = node("div", "what");
  const title = node("button", "title");
  title.type = "button";
  title.addEventListener("click", () => open(item, root, id));
  what.append(title, node("span", "plain title"), node("span", "tags"));
  what.lastElementChild.style.display = "contents";
  row.append(box, node("time", "when"), node("span", "badge"), what, node("span", "acts"), node("p", "text"));
  row.append(node("dl", "facts"));
  item.append(row);
  return item;
}

function open(item, root, id) {
  if (root.opened.has(id)) root.opened.delete(id);
  else root.opened.add(id);
  unfold(item, root.opened.has(id));
}

function unfold(item, isOpen) {
  mark(item.querySelector("button.title"), "aria-expanded", isOpen ? "true" : "false");
  item.querySelector(".facts").hidden = !isOpen;
}

function fill(item, root, given) {
  mark(item, "data-dim", given.dim ? "yes" : null);
  mark(item, "data-gone", null);
  mark(item, "data-id", given.id);
  const box = item.querySelector(".switch");
  box.hidden = given.switch == null;
  box.firstElementChild.checked = !!given.switch;
  box.firstElementChild.disabled = !given.may;
  mark(box.firstElementChild, "aria-label", given.title);
  const when = item.querySelector(".when");
  set(when, given.when);
  mark(when, "title", given.moment);
  const badge = item.querySelector(".badge");
  set(badge, given.badge);
  mark(badge, "data-tone", given.tone);
  const [button, plain, tags] = item.querySelector(".what").children;
  const hasFacts = given.facts.length > 0;
  button.hidden = !hasFacts;
  plain.hidden = hasFacts;
  button.style.display = hasFacts ? "" : "none";
  plain.style.display = hasFacts ? "none" : "";
  set(hasFacts ? button : plain, given.title);
  const shown = children(tags, given.tags.length, () => node("span"));
  given.tags.forEach((tag, index) => {
    set(shown[index], tag.text);
    mark(shown[index], "data-tone", tag.tone);
    mark(shown[index], "title", tag.hint);
    mark(shown[index], "class", tag.strong ? "tag strong" : "tag");
  });
  set(item.querySelector(".text"), given.text);
  acts(item.querySelector(".acts"), root, given);
  const facts = children(item.querySelector(".facts"), given.facts.length * 2, () => node("dd"));
  given.facts.forEach(([name, value], index) => {
    if (facts[2 * index].tagName !== "DT") facts[2 * index].replaceWith(node("dt"));
    set(facts[2 * index], name);
    set(facts[2 * index + 1], value);
  });
  unfold(item, root.opened.has(given.id));
}

function acts(target, root, given) {
  const buttons = children(target, given.actions.length, () => {
    const button = node("button");
    button.type = "button";
    button.addEventListener("click", () => {
      root.act(button.dataset.act, button.dataset.of);
      // What it opens is drawn above the list.
      if (button.dataset.act === "edit") root.scrollIntoView({ block: "center", behavior: "smooth" });
    });
    return button;
  });
  given.actions.forEach((action, index) => {
    set(buttons[index], action.label);
    mark(buttons[index], "data-act", action.id);
    mark(buttons[index], "data-of", given.id);
    mark(buttons[index], "aria-label", `${action.label}: ${given.title}`);
    mark(buttons[index], "title", action.hint);
    buttons[index].disabled = !!action.disabled;
  });
}

function place(root, items) {
  const list = root.querySelector(".list");
  const wanted = new Set(items.map((one) => one.id));
  for (const [id, item] of root.items) {
    if (wanted.has(id)) continue;
    item.remove();
    root.items.delete(id);
    root.opened.delete(id);
  }
  let at = list.firstElementChild;
  for (const given of items) {
    let item = root.items.get(given.id);
    if (!item) root.items.set(given.id, (item = made(root, given.id)));
    fill(item, root, given);
    if (item === at) at = at.nextElementSibling;
    else list.insertBefore(item, at);
  }
}

// Changes what is there without moving anything.
function hold(root, items) {
  const known = new Map(items.map((one) => [one.id, one]));
  for (const [id, item] of root.items) {
    if (known.has(id)) fill(item, root, known.get(id));
    else {
      mark(item, "data-gone", "yes");
      for (const button of item.querySelectorAll(".acts button")) button.disabled = true;
    }
  }
  return items.filter((one) => !root.items.has(one.id)).length;
}

function draw(root, isHeld) {
  const data = root.given;
  mark(root, "data-mode", modeOf(root));
  set(root.querySelector(".note"), data.note);
  const came = isHeld ? hold(root, data.items) : (place(root, data.items), 0);
  set(root.querySelector(".held"), came ? `${came} more; shown when the pointer leaves the list` : "");
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".ledger");
  if (!root.items) {
    root.items = new Map();
    root.opened = new Set();
    root.addEventListener("pointerleave", () => draw(root, false));
  }
  root.act = (what, id) => setTriggerValue("act", [what, id]);
  root.given = data;
  mark(root, "data-name", data.name);
  // Other filters are another list: that is drawn at once, wherever the pointer is.
  const isSame = root.view === data.view;
  root.view = data.view;
  const isOver = root.querySelector(".list").matches(":hover") && matchMedia("(hover: hover)").matches;
  draw(root, data.live && isSame && root.items.size > 0 && isOver);
}
