// Draws tables of text. Everything is placed with textContent: it can never become markup. Nodes are
// reused and written to only when their text changed, so that a selection and a click survive.

// Links lead to files this process wrote, and nowhere else.
const OWN_FILES = /^app\/static\/exports\/[\w-]+\/[\w.-]+$/;

function content(cell, value) {
  const kind = value.href ? "A" : "SPAN";
  if (cell.firstElementChild?.tagName !== kind) cell.replaceChildren(node(kind));
  const inner = cell.firstElementChild;
  set(inner, value.text);
  if (value.href && OWN_FILES.test(value.href)) {
    mark(inner, "href", value.href);
    mark(inner, "download", value.href.split("/").pop());
  }
  const hasRail = typeof value.bar === "number";
  if (hasRail && cell.children.length < 2) cell.append(node("span", "rail"));
  if (!hasRail && cell.children.length > 1) cell.lastElementChild.remove();
  if (hasRail) {
    const fill = children(cell.lastElementChild, 1, () => node("i"))[0];
    fill.style.width = `${100 * Math.max(0, Math.min(1, value.bar))}%`;
  }
}

function table(target, sheet) {
  if (!sheet.rows.length) return target.replaceChildren();
  if (!target.firstElementChild) {
    const made = node("table");
    made.append(node("thead"), node("tbody"));
    made.firstElementChild.append(node("tr"));
    target.append(made);
  }
  const [head, body] = target.firstElementChild.children;
  const titles = children(head.firstElementChild, sheet.columns.length, () => node("th"));
  sheet.columns.forEach((column, index) => {
    set(titles[index], column.label);
    mark(titles[index], "title", column.hint || null);
    mark(titles[index], "class", column.kind || null);
    mark(titles[index], "scope", "col");
  });
  const rows = children(body, sheet.rows.length, () => node("tr"));
  sheet.rows.forEach((row, index) => {
    const cells = children(rows[index], row.length, () => node("td"));
    row.forEach((value, place) => {
      const column = sheet.columns[place];
      const cell = cells[place];
      content(cell, value);
      mark(cell, "data-label", column.label);
      mark(cell, "data-tone", value.tone || null);
      mark(cell, "title", value.hint || null);
      mark(cell, "class", [column.kind, value.text ? "" : "empty"].filter(Boolean).join(" ") || null);
    });
  });
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".sheets");
  mark(root, "data-mode", modeOf(root));
  const sections = children(root, data.sheets.length, () => {
    const made = node("section");
    made.append(node("h3"), node("p", "note"), node("div", "wide"));
    return made;
  });
  data.sheets.forEach((sheet, index) => {
    const [title, note, wide] = sections[index].children;
    mark(sections[index], "data-testid", sheet.id);
    set(title, sheet.title);
    title.hidden = !sheet.title;
    set(note, sheet.note);
    table(wide, sheet);
  });
}
