// What every component shares: nodes are reused and written to only where something changed, and
// text is placed as text, so it can never become markup. Stands before each component's own script.

// Streamlit's theme, told from its background.
function modeOf(element) {
  const colour = getComputedStyle(element).getPropertyValue("--st-background-color").trim();
  const hex = /^#([0-9a-f]{6})/i.exec(colour);
  if (!hex) return "dark";
  const value = parseInt(hex[1], 16);
  const light = 0.299 * (value >> 16) + 0.587 * ((value >> 8) & 255) + 0.114 * (value & 255);
  return light > 128 ? "light" : "dark";
}

function set(node, text) {
  const wanted = text == null ? "" : String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

// Gives an attribute, or takes it away where there is no value.
function mark(node, name, value) {
  if (value == null || value === "" || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

function node(tag, className) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

// Gives `parent` exactly `count` children, made by `make` when missing.
function children(parent, count, make) {
  while (parent.children.length > count) parent.lastElementChild.remove();
  while (parent.children.length < count) parent.appendChild(make(parent.children.length));
  return parent.children;
}

